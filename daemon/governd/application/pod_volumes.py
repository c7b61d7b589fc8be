"""Volumes of pods: each is a directory with a socket, at which that pod calls.

Promises:
    * A volume is published for the pod that kubelet named, at a target of that pod, and stays
      that pod's: whoever asks for the same target with another pod is refused.
    * What was restored after a restart is only a guess until kubelet asks for it: where kubelet
      says otherwise, or says nothing, it is closed.
    * To publish again what is published changes nothing, but puts back what is missing.
    * When an unpublish is answered, nothing of the volume is left: no call, no identity, no
      file. That holds for volumes, too, that this governd never knew.
    * After a restart the sockets are back before kubelet is answered.

A pod is never given up because kubelet is slow: only if its directory is gone as well, or if
kubelet knows the plugin and still did not ask for what was restored.
"""

import asyncio
import contextlib
import weakref
from collections.abc import AsyncIterator, Callable
from typing import Generic

from governd.application.kept_volumes import Entry, KeptVolumes, Place
from governd.application.volume_limits import VolumeLimits
from governd.application.volume_ports import Targets, VolumeObserver
from governd.application.workload_doors import WorkloadDoors
from governd.errors import GoverndError, ListenerError, VolumeError
from governd.pods.request import PublishRequest, read_publish, read_unpublish
from governd.pods.target import FIELD, Target, find_target
from governd.pods.volume import Volume

OPENED, AGAIN, REPAIRED = "opened", "again", "repaired"


class PodVolumes(Generic[Place]):
    """Publishes volumes, and takes them away."""

    def __init__(
        self,
        doors: WorkloadDoors[Place],
        targets: Targets[Place],
        kept: KeptVolumes[Place],
        observer: VolumeObserver,
        *,
        limits: VolumeLimits,
        clock: Callable[[], float],
    ) -> None:
        """Publishes nothing yet.

        Args:
            doors: Opens a socket for a workload.
            targets: Makes and removes directories.
            kept: Holds what is published.
            observer: Told of everything.
            limits: See there.
            clock: Monotonic seconds.
        """
        self._doors = doors
        self._targets = targets
        self._kept = kept
        self._observer = observer
        self._limits = limits
        self._clock = clock
        self._registered: float | None = None
        self._turns: weakref.WeakValueDictionary[Target, asyncio.Lock] = (
            weakref.WeakValueDictionary()
        )

    @property
    def count(self) -> int:
        """How many are published. Any thread may ask."""
        return len(self._kept.entries)

    @property
    def problem(self) -> str:
        """Why they would not outlive a restart; ``""`` if they would."""
        return self._kept.problem

    async def restore(self) -> None:
        """Opens the sockets again of what was published before governd started."""
        for volume in self._kept.read():
            if self._targets.is_gone(volume.target):
                self._observer.dropped(volume, "its directory is gone")
            else:
                await self._reopen(volume)
        entries = self._kept.entries.values()
        self._observer.restored(sum(entry.place.is_there() for entry in entries))
        await self._kept.save()

    def kubelet_registered(self) -> None:
        """Kubelet knows the plugin from now on: it will ask for every volume that is live."""
        self._registered = self._clock()

    async def publish(self, request: PublishRequest) -> None:
        """Has a pod's socket answer in its volume when this returns.

        Raises:
            RequestError: It is not what kubelet asks for.
            VolumeError: The target is another pod's or not as it must be, or there are
                too many.
            IdentityError: The pod can never have an identity.
            DrainingError: governd is shutting down.
        """
        began = self._clock()
        try:
            volume = read_publish(request, self._limits.kubelet_directory)
            await self._refute(volume)
            async with self._turn(volume.target):
                result = await self._publish(volume)
        except GoverndError as error:
            target = find_target(request.target_path, self._limits.kubelet_directory)
            self._observer.refused(request.volume_id, target, error, self._clock() - began)
            raise
        finally:
            await self._kept.save()
        self._observer.published(volume, result, self._clock() - began)

    async def unpublish(self, volume_id: str, target_path: str) -> None:
        """Leaves nothing of a volume.

        Raises:
            RequestError: It is no volume of a pod.
            VolumeError: Its directory cannot be removed safely or at once, or another volume
                is published there.
        """
        try:
            target = read_unpublish(volume_id, target_path, self._limits.kubelet_directory)
            async with self._turn(target):
                entry = await self._unpublish(volume_id, target)
        except GoverndError as error:
            named = find_target(target_path, self._limits.kubelet_directory)
            self._observer.not_removed(volume_id, named, error)
            raise
        finally:
            await self._kept.save()
        self._observer.unpublished(target, entry.volume if entry else None)

    async def sweep(self) -> None:
        """Gives up the volumes of pods that are gone, and that kubelet asks for no more."""
        for target in list(self._kept.entries):
            async with self._turn(target):
                entry = self._kept.entries.get(target)
                why = self._why_given_up(entry) if entry else ""
                if entry and why:
                    await self._close(target)
                    self._observer.dropped(entry.volume, why)
        await self._kept.save()

    def _why_given_up(self, entry: Entry[Place]) -> str:
        now, patience = self._clock(), self._limits.republish_seconds
        registered = now if self._registered is None else self._registered
        if not entry.confirmed and now - registered > patience:
            return "kubelet does not ask for it"
        if now - entry.seen > patience and not self._targets.has_pod(entry.volume.pod.uid):
            return "its pod is gone"
        return ""

    async def _reopen(self, volume: Volume) -> None:
        place = self._targets.place(volume.target)
        entry = Entry(volume, place, self._clock(), confirmed=False)
        self._kept.add(entry)
        try:
            await self._open(entry)
        except GoverndError as error:  # it stays: kubelet will ask for it
            self._observer.not_restored(volume, error)

    async def _refute(self, volume: Volume) -> None:
        """Closes what was restored of a pod and is not as kubelet has it now.

        Before the turn of the volume itself: two volumes of a pod must not wait for each other.
        """
        for target in self._kept.of_pod(volume.pod.uid):
            async with self._turn(target):
                entry = self._kept.entries.get(target)
                if entry and not entry.confirmed and _contradicts(entry.volume, volume):
                    self._observer.refuted(entry.volume)
                    await self._close(target)

    async def _publish(self, volume: Volume) -> str:
        entry = self._kept.entries.get(volume.target)
        if entry is None:
            self._limits.check(volume, self._kept.confirmed())
            await self._open_new(volume)
            return OPENED
        if entry.volume != volume:
            message = f"{FIELD}: is published for another pod, or under another volume id"
            raise VolumeError(message, field=FIELD)
        entry.seen, entry.confirmed = self._clock(), True
        if entry.place.is_there():
            return AGAIN
        await self._doors.close(volume.workload().name)
        await self._open(entry)
        return REPAIRED

    async def _unpublish(self, volume_id: str, target: Target) -> Entry[Place] | None:
        entry = self._kept.entries.get(target)
        if entry and entry.volume.id != volume_id:
            if entry.confirmed:
                message = "volume_id: another volume is published at that target"
                raise VolumeError(message, field="volume_id")
            self._observer.refuted(entry.volume)
        await self._close(target)
        self._targets.remove(target)
        return entry

    async def _open_new(self, volume: Volume) -> None:
        place = self._targets.place(volume.target)
        entry = Entry(volume, place, self._clock(), confirmed=True)
        self._kept.add(entry)  # before it is open: others may be opened meanwhile, and count
        try:
            await self._open(entry)
        except BaseException:
            self._kept.discard(volume.target)
            raise

    async def _open(self, entry: Entry[Place]) -> None:
        try:
            self._targets.make(entry.volume.target)
            await self._doors.open(entry.volume.workload(), entry.place)
        except ListenerError as error:
            message = f"{FIELD}: {error}"
            raise VolumeError(message, field=FIELD) from error

    async def _close(self, target: Target) -> None:
        entry = self._kept.entries.get(target)
        if entry is not None:
            # Held until it is closed: whoever is cancelled here can be asked again.
            await self._doors.close(entry.volume.workload().name)
            self._kept.discard(target)

    @contextlib.asynccontextmanager
    async def _turn(self, target: Target) -> AsyncIterator[None]:
        """One after the other at each target."""
        lock = self._turns.setdefault(target, asyncio.Lock())
        async with lock:
            yield


def _contradicts(kept: Volume, said: Volume) -> bool:
    """Whether what was kept cannot be true if kubelet says this of the same UID."""
    return kept.pod != said.pod or (kept.target == said.target and kept != said)
