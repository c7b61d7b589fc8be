"""Kubelet's directory of pods, and a store of volumes, in memory; and who watches them.

Implements the ports of ``governd.application.volume_ports``. A test breaks the directories
with ``broken``, the store with ``full`` and ``unreadable``.
"""

import asyncio
from collections.abc import Collection

from governd.errors import GoverndError, VolumeError
from governd.pods.target import Target
from governd.pods.volume import Volume


class FakePlace:
    """Where a socket is.

    Attributes:
        there: Whether it still is.
    """

    def __init__(self) -> None:
        """Nothing is there."""
        self.there = False

    def taken(self) -> None:
        """A socket is here from now on."""
        self.there = True

    def left(self) -> None:
        """None is here any more."""
        self.there = False

    def is_there(self) -> bool:
        """Whether there is a socket."""
        return self.there


class FakeTargets:
    """Directories.

    Attributes:
        made: Those that are there.
        pods: UIDs of pods that kubelet has.
        broken: Whether none can be made or removed safely.
    """

    def __init__(self, *uids: str) -> None:
        """Kubelet has these pods, and no directory of a volume yet."""
        self.made: set[Target] = set()
        self.pods = set(uids)
        self.broken = False

    def make(self, target: Target) -> None:
        """Makes one.

        Raises:
            VolumeError: It is broken, or kubelet has no such pod.
        """
        if self.broken or target.uid not in self.pods:
            message = "target_path: a symbolic link"
            raise VolumeError(message, field="target_path")
        self.made.add(target)

    def place(self, target: Target) -> FakePlace:
        """A place of its own."""
        return FakePlace()

    def is_gone(self, target: Target) -> bool:
        """Whether it was never made, or removed again."""
        return target not in self.made

    def has_pod(self, uid: str) -> bool:
        """Whether kubelet has that pod."""
        return uid in self.pods

    def remove(self, target: Target) -> None:
        """Removes one, if it is there.

        Raises:
            VolumeError: It is broken.
        """
        if self.broken:
            message = "target_path: a symbolic link"
            raise VolumeError(message, field="target_path")
        self.made.discard(target)


class FakeVolumeStore:
    """What is kept.

    Attributes:
        kept: The volumes.
        saves: How often they were written.
        full: Whether nothing more can be written.
        unreadable: Whether what is kept cannot be read.
        writing: Writes that have begun and not ended.
        saving: Set when one has begun.
        go_on: Cleared by a test that wants ``save`` to wait.
    """

    def __init__(self, *volumes: Volume) -> None:
        """Begins with these."""
        self.kept: tuple[Volume, ...] = volumes
        self.saves = 0
        self.full = False
        self.unreadable = False
        self.writing = 0
        self.saving = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    def load(self) -> tuple[Volume, ...]:
        """All that are kept.

        Raises:
            VolumeError: They are unreadable.
        """
        if self.unreadable:
            message = "volumes.json: is damaged"
            raise VolumeError(message)
        return self.kept

    async def save(self, volumes: Collection[Volume]) -> None:
        """Keeps these and no others.

        Raises:
            VolumeError: It is full.
        """
        if self.full:
            message = "volumes.json: no space left on device"
            raise VolumeError(message)
        self.writing += 1
        self.saving.set()
        await self.go_on.wait()
        self.writing -= 1
        self.saves += 1
        self.kept = tuple(sorted(volumes, key=lambda one: one.target))


class FakeVolumeObserver:
    """What was told.

    Attributes:
        events: A word and what it was about, in order.
    """

    def __init__(self) -> None:
        """Nothing yet."""
        self.events: list[tuple[str, str]] = []

    def published(self, volume: Volume, result: str, seconds: float) -> None:
        self.events.append((result, volume.name))

    def refused(
        self, volume_id: str, target: Target | None, error: GoverndError, seconds: float
    ) -> None:
        self.events.append(("refused", str(error)))

    def unpublished(self, target: Target, volume: Volume | None) -> None:
        self.events.append(("unpublished" if volume else "unknown", target.volume))

    def not_removed(self, volume_id: str, target: Target | None, error: GoverndError) -> None:
        self.events.append(("not_removed", str(error)))

    def not_restored(self, volume: Volume, error: GoverndError) -> None:
        self.events.append(("not_restored", str(error)))

    def refuted(self, volume: Volume) -> None:
        self.events.append(("refuted", volume.workload().name))

    def restored(self, volumes: int) -> None:
        self.events.append(("restored", str(volumes)))

    def dropped(self, volume: Volume, why: str) -> None:
        self.events.append(("dropped", why))

    def not_read(self, error: GoverndError) -> None:
        self.events.append(("not_read", str(error)))

    def not_kept(self, error: GoverndError) -> None:
        self.events.append(("not_kept", str(error)))
