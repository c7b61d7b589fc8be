"""How many volumes there may be, and of whom."""

from collections.abc import Collection
from dataclasses import dataclass

from governd.errors import VolumeError
from governd.pods.volume import Volume


@dataclass(frozen=True, slots=True)
class VolumeLimits:
    """What is published at most, and what is believed for how long.

    Attributes:
        kubelet_directory: Kubelet's root directory, as kubelet writes it.
        volumes: At the same time.
        per_pod: Of one pod.
        republish_seconds: Kubelet's patience: it asks for each live volume again in less.
    """

    kubelet_directory: str
    volumes: int
    per_pod: int
    republish_seconds: float

    def check(self, volume: Volume, present: Collection[Volume]) -> None:
        """Whether a new volume may stand beside those that are present.

        Raises:
            VolumeError: There are too many, or its pod's UID is another pod's.
        """
        of_pod = [one for one in present if one.pod.uid == volume.pod.uid]
        if any(one.pod != volume.pod for one in of_pod):
            message = "volume_context: another pod has that UID here"
            raise VolumeError(message, field="volume_context")
        if len(of_pod) >= self.per_pod:
            message = f"the pod has {len(of_pod)} volumes, and may have {self.per_pod}"
            raise VolumeError(message)
        if len(present) >= self.volumes:
            message = f"this node has {self.volumes} volumes, and may not have more"
            raise VolumeError(message)
