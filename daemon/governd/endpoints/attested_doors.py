"""Opens listeners for workloads that come and go; implements ``application.workload_doors``.

Invariants:
    * Nothing that a door does is part of the call in which it was opened: that call's caller
      and trace are another's.
"""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

from governd.application.hold_identity import CLOSED, HeldIdentity
from governd.application.keep_identities import IdentityKeeper
from governd.application.occupant import Naming, Occupant
from governd.endpoints.listener import Listener
from governd.endpoints.listeners import Listeners
from governd.endpoints.places import Place
from governd.errors import ListenerError, NoIdentityError
from governd.identity.svid import Workload

MAX_NAME_CHARS = 512
MakeListener: TypeAlias = "Callable[[Occupant, Place], Listener]"
"""Makes a workload's listener, which is not open yet."""


@dataclass(frozen=True, slots=True)
class _Door:
    held: HeldIdentity
    place: str


@dataclass(slots=True)
class _Turn:
    """Whoever has something to do with one name, one after the other."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0


class AttestedDoors:
    """A door is a held identity and a listener; both are there, or neither."""

    def __init__(
        self, keeper: IdentityKeeper, naming: Naming, listeners: Listeners, make: MakeListener
    ) -> None:
        """Opens none yet.

        Args:
            keeper: Holds the identities of workloads.
            naming: Knows who they are.
            listeners: Those of the daemon.
            make: Makes one of them.
        """
        self._keeper = keeper
        self._naming = naming
        self._listeners = listeners
        self._make = make
        self._doors: dict[str, _Door] = {}
        self._turns: dict[str, _Turn] = {}

    async def open(self, workload: Workload, place: Place) -> None:
        """Holds the workload's identities, and answers at ``place`` when this returns.

        Raises:
            ListenerError: As ``WorkloadDoors`` has it.
            RequestError: The path template cannot take one of the workload's facts.
            DrainingError: governd is shutting down.
        """
        async with self._turn(workload.name):
            if not self._is_open(workload, place):
                await _apart(self._open(workload, place))

    async def close(self, name: str) -> None:
        """Ends the door's calls at once, takes it away and forgets its workload."""
        async with self._turn(name):
            door = self._doors.get(name)
            if door is None:
                return
            await _apart(self._close(name, door))

    def _is_open(self, workload: Workload, place: Place) -> bool:
        door = self._doors.get(workload.name)
        if door is None:
            return False
        if door.held.workload != workload or door.place != str(place):
            message = f"listener {workload.name}: open for another workload or at another place"
            raise ListenerError(message)
        return True

    async def _open(self, workload: Workload, place: Place) -> None:
        if not 0 < len(workload.name) <= MAX_NAME_CHARS or not workload.name.isprintable():
            message = f"listener: expected a name of 1 to {MAX_NAME_CHARS} printable characters"
            raise ListenerError(message)
        self._naming.stand_in(workload)  # refuses a fact that forges a path
        held = self._keeper.open(workload)
        try:
            await self._listeners.add(self._make(Occupant(held, self._naming), place))
        except BaseException:
            held.close()
            raise
        self._doors[workload.name] = _Door(held, str(place))

    async def _close(self, name: str, door: _Door) -> None:
        try:
            await self._listeners.remove(name, _gone)
        finally:
            door.held.close()
            del self._doors[name]

    @asynccontextmanager
    async def _turn(self, name: str) -> AsyncIterator[None]:
        turn = self._turns.setdefault(name, _Turn())
        turn.waiting += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.waiting -= 1
            if not turn.waiting:
                del self._turns[name]


async def _apart(work: Coroutine[object, object, None]) -> None:
    """Does ``work`` outside of the call at hand: tasks that it begins would stay part of it."""
    await asyncio.create_task(work, context=contextvars.Context())


def _gone() -> NoIdentityError:
    return NoIdentityError(CLOSED)
