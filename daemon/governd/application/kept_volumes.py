"""The volumes that are published, in memory and in a store.

The store makes a restart fast, and nothing more: kubelet publishes every live volume again
within 90 s, and what was kept never outranks what kubelet then says. So a store that cannot be
read or written is told loudly, and hinders no pod.
"""

import asyncio
from dataclasses import dataclass
from typing import Generic, TypeVar

from governd.application.volume_ports import VolumeObserver, VolumeStore, WatchedPlace
from governd.errors import VolumeError
from governd.pods.target import Target
from governd.pods.volume import Volume

Place = TypeVar("Place", bound=WatchedPlace)


@dataclass(slots=True)
class Entry(Generic[Place]):
    """A volume that is published.

    Attributes:
        volume: What it is.
        place: Where its socket is.
        seen: When kubelet last asked for it, or when governd started.
        confirmed: Whether kubelet asked for it since governd started.
    """

    volume: Volume
    place: Place
    seen: float
    confirmed: bool


class KeptVolumes(Generic[Place]):
    """Volumes by their targets.

    Attributes:
        entries: All of them.
        problem: Why the store cannot be written; ``""`` while it can.
    """

    def __init__(self, store: VolumeStore, observer: VolumeObserver) -> None:
        """Holds nothing yet; takes where they outlive a restart, and who is told of failures."""
        self._store = store
        self._observer = observer
        self._writing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._dirty = False
        self.entries: dict[Target, Entry[Place]] = {}
        self.problem = ""

    def add(self, entry: Entry[Place]) -> None:
        """Holds a volume; kept with the next ``save``."""
        self.entries[entry.volume.target] = entry
        self._dirty = True

    def discard(self, target: Target) -> Entry[Place] | None:
        """Holds a volume no more; what was held there."""
        entry = self.entries.pop(target, None)
        self._dirty |= entry is not None
        return entry

    def of_pod(self, uid: str) -> list[Target]:
        """The targets of one pod."""
        return [target for target in self.entries if target.uid == uid]

    def confirmed(self) -> list[Volume]:
        """Those that kubelet asked for."""
        return [entry.volume for entry in self.entries.values() if entry.confirmed]

    def read(self) -> list[Volume]:
        """What was kept before governd started."""
        try:
            volumes = list(self._store.load())
        except VolumeError as error:
            self._observer.not_read(error)
            return []
        self._dirty = bool(volumes)  # some of them may not come back
        return volumes

    async def save(self) -> None:
        """Keeps all that are held, unless that is done; those who wait share one write.

        A write that has begun is finished, also for a caller that is cancelled.
        """
        task = asyncio.ensure_future(self._save())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.shield(task)

    async def _save(self) -> None:
        async with self._writing:
            if not self._dirty:
                return
            self._dirty = False
            try:
                await self._store.save([entry.volume for entry in self.entries.values()])
            except VolumeError as error:
                self._dirty = True
                self._tell(error)
            else:
                self.problem = ""

    def _tell(self, error: VolumeError) -> None:
        before, self.problem = self.problem, str(error)
        if self.problem != before:
            self._observer.not_kept(error)
