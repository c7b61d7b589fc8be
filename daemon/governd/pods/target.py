"""Where kubelet wants a volume: a path in one form, of one pod.

``<kubelet>/pods/<UID>/volumes/kubernetes.io~csi/<volume>/mount``, as kubelet's own
``csi_mounter.go`` puts it together. The text is taken apart and put together again; it is
never normalised, and nothing but the UID and the volume's name is kept of it. So ``..``, an
empty segment or a percent sign cannot lead anywhere. What stands in the file system on the
way is looked at by whoever opens it.
"""

from dataclasses import dataclass

from governd.errors import RequestError
from governd.pods.pod import is_label, is_uid
from governd.pods.refusal import refuse

FIELD = "target_path"
PODS = "pods"
VOLUMES = ("volumes", "kubernetes.io~csi")
MOUNT = "mount"
_SEGMENTS = 5


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """The place of one volume of one pod.

    Attributes:
        uid: The pod's.
        volume: The volume's name within the pod.
    """

    uid: str
    volume: str

    def path(self, kubelet_directory: str) -> str:
        """The path, as kubelet writes it."""
        below = (PODS, self.uid, *VOLUMES, self.volume, MOUNT)
        return f"{kubelet_directory.rstrip('/')}/{'/'.join(below)}"


def read_target(text: str, kubelet_directory: str) -> Target:
    """The place that a target path names.

    Args:
        text: As kubelet sends it.
        kubelet_directory: Absolute, without a slash at its end.

    Raises:
        RequestError: It is not a path that kubelet gives a CSI volume of a pod.
    """
    start = f"{kubelet_directory.rstrip('/')}/{PODS}/"
    if not text.startswith(start):
        refuse(FIELD, f"must begin with {start}")
    segments = text.removeprefix(start).split("/", maxsplit=_SEGMENTS)
    uid = segments[0]
    if not is_uid(uid):
        refuse(FIELD, f"must have a pod's UID after {start}")
    target = Target(uid, segments[3] if len(segments) == _SEGMENTS else "")
    if not is_label(target.volume) or target.path(kubelet_directory) != text:
        refuse(FIELD, f"must go on with /{'/'.join(VOLUMES)}/<volume>/{MOUNT} after the pod's UID")
    return target


def find_target(text: str, kubelet_directory: str) -> Target | None:
    """As ``read_target``, for logs: ``None`` where the path names no place."""
    try:
        return read_target(text, kubelet_directory)
    except RequestError:
        return None
