"""What kubelet asks for, and which of it is granted.

Follows ``NodePublishVolume`` and ``NodeUnpublishVolume`` of CSI
(https://github.com/container-storage-interface/spec/blob/v1.9.0/spec.md). Everything that is
not what kubelet sends for an ephemeral, read-only inline volume without any option is
refused: there is nothing in a volume of this driver that an author could want to set.

Messages reach the pod's events, so they say what the author has to change.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from governd.pods.pod import UID, of_context, read_pod
from governd.pods.refusal import refuse
from governd.pods.target import Target, read_target
from governd.pods.volume import Volume, is_volume_id

_SINGLE_NODE_WRITER = 1


@dataclass(frozen=True, slots=True)
class Capability:
    """How a volume is to be used.

    Attributes:
        directory: Whether as a directory, not as a block device.
        access_mode: A number of CSI's ``AccessMode.Mode``.
        options: Names of what is set beside that, such as ``mount.fs_type``.
    """

    directory: bool = True
    access_mode: int = _SINGLE_NODE_WRITER
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PublishRequest:
    """One publish.

    Attributes:
        volume_id: Kubelet's name for the volume.
        target_path: Where kubelet wants it.
        readonly: Whether no container may write to it.
        capability: How it is to be used; ``None`` where nothing is said.
        context: What kubelet tells of the pod.
        unexpected: Names of what else is set: no inline volume has it. Never its content.
    """

    volume_id: str
    target_path: str
    readonly: bool
    capability: Capability | None
    context: Mapping[str, str] = field(repr=False)
    unexpected: tuple[str, ...] = ()


def read_publish(request: PublishRequest, kubelet_directory: str) -> Volume:
    """The volume that a publish asks for.

    Args:
        request: As it came.
        kubelet_directory: Absolute.

    Raises:
        RequestError: It is not what kubelet sends for such a volume; the field is named.
    """
    _check_volume_id(request.volume_id)
    target = read_target(request.target_path, kubelet_directory)
    pod = read_pod(request.context)
    if pod.uid != target.uid:
        key = of_context(UID)
        refuse(key, "is not the UID in target_path: this is not what kubelet says of the pod")
    if not request.readonly:
        refuse("readonly", "must be true: set readOnly: true on the pod's csi volume")
    _check_capability(request.capability)
    for name in sorted(request.unexpected):
        refuse(name, "must be empty for a volume of this driver")
    return Volume(request.volume_id, target.volume, pod)


def read_unpublish(volume_id: str, target_path: str, kubelet_directory: str) -> Target:
    """The place that an unpublish clears.

    Raises:
        RequestError: It is no place of a CSI volume of a pod; the field is named.
    """
    _check_volume_id(volume_id)
    return read_target(target_path, kubelet_directory)


def _check_volume_id(volume_id: str) -> None:
    if not is_volume_id(volume_id):
        refuse("volume_id", "must be 1 to 128 characters of printable ASCII")


def _check_capability(capability: Capability | None) -> None:
    name = "volume_capability"
    if capability is None or not capability.directory:
        refuse(name, "must be mount: there is no block device")
    for option in sorted(capability.options):
        refuse(f"{name}.{option}", "must be empty: nothing is mounted")
    if capability.access_mode != _SINGLE_NODE_WRITER:
        refuse(f"{name}.access_mode", "must be SINGLE_NODE_WRITER, as for every inline volume")
