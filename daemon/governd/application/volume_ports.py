"""What publishing volumes needs of the world."""

from collections.abc import Collection
from typing import Protocol, TypeVar

from governd.errors import GoverndError
from governd.pods.target import Target
from governd.pods.volume import Volume


class WatchedPlace(Protocol):
    """Where a pod's socket is."""

    def is_there(self) -> bool:
        """Whether the socket that was put there still is."""


Place_co = TypeVar("Place_co", bound=WatchedPlace, covariant=True)


class Targets(Protocol[Place_co]):
    """The directories that kubelet wants volumes in."""

    def make(self, target: Target) -> None:
        """Makes one, where it does not exist.

        Raises:
            VolumeError: It cannot be made safely.
        """

    def place(self, target: Target) -> Place_co:
        """Where the socket in it is."""

    def is_gone(self, target: Target) -> bool:
        """Whether there is certainly none; false where that cannot be told."""

    def has_pod(self, uid: str) -> bool:
        """Whether kubelet still keeps anything of that pod; true where that cannot be told."""

    def remove(self, target: Target) -> None:
        """Removes one with all that is in it; nothing, where it is gone.

        Raises:
            VolumeError: It cannot be removed safely, or holds more than is removed at once:
                then less is left for the next time.
        """


class VolumeStore(Protocol):
    """Keeps the volumes that are published, over restarts."""

    def load(self) -> Collection[Volume]:
        """All that are kept; none where nothing was ever kept.

        Raises:
            VolumeError: They cannot be read.
        """

    async def save(self, volumes: Collection[Volume]) -> None:
        """Keeps these and no others.

        Raises:
            VolumeError: They are not certain to outlive a restart.
        """


class VolumeObserver(Protocol):
    """Watches volumes, for metrics and logs."""

    def published(self, volume: Volume, result: str, seconds: float) -> None:
        """A volume is published: ``opened``, ``again`` (it was there), or ``repaired``."""

    def refused(
        self, volume_id: str, target: Target | None, error: GoverndError, seconds: float
    ) -> None:
        """A publish was refused, or failed; ``None`` where its path names no target."""

    def unpublished(self, target: Target, volume: Volume | None) -> None:
        """A target was cleared; ``None`` where governd knew of no volume there."""

    def not_removed(self, volume_id: str, target: Target | None, error: GoverndError) -> None:
        """An unpublish was refused, or failed; kubelet tries again, the pod stays until then."""

    def restored(self, volumes: int) -> None:
        """So many volumes are back after a restart."""

    def not_restored(self, volume: Volume, error: GoverndError) -> None:
        """A volume that was kept has no socket yet; it has when kubelet asks for it again."""

    def refuted(self, volume: Volume) -> None:
        """A volume that was kept is not as kubelet has it: it was closed."""

    def dropped(self, volume: Volume, why: str) -> None:
        """A volume is given up that kubelet did not unpublish."""

    def not_read(self, error: GoverndError) -> None:
        """What was kept is lost; each pod is back when kubelet asks for it again."""

    def not_kept(self, error: GoverndError) -> None:
        """What is published would be lost in a restart."""
