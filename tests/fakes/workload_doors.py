"""Doors for workloads that open nothing.

Implements ``governd.application.workload_doors.WorkloadDoors``. A test breaks it with
``failure``, and stops it half-way with ``go_on``.
"""

import asyncio
from typing import Protocol

from governd.errors import GoverndError, ListenerError
from governd.identity.svid import Workload


class Opened(Protocol):
    """A place that can be told that a door is there, as a socket's bind does."""

    def taken(self) -> None:
        """A door is here from now on."""

    def left(self) -> None:
        """None is here any more."""


class FakeWorkloadDoors:
    """What is open.

    Attributes:
        workloads: By name.
        places: Likewise.
        closed: Names that were closed, in order.
        failure: Raised by the next ``open``, and by all after it.
        go_on: Cleared by a test that wants ``open`` and ``close`` to wait.
    """

    def __init__(self) -> None:
        """Nothing is open."""
        self.workloads: dict[str, Workload] = {}
        self.places: dict[str, Opened] = {}
        self.closed: list[str] = []
        self.failure: GoverndError | None = None
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def open(self, workload: Workload, place: Opened) -> None:
        """Opens a door.

        Raises:
            ListenerError: The name is another workload's.
        """
        await self.go_on.wait()
        if self.failure is not None:
            raise self.failure
        if self.workloads.setdefault(workload.name, workload) != workload:
            message = f"{workload.name}: is another workload's"
            raise ListenerError(message)
        self.places[workload.name] = place
        place.taken()

    async def close(self, name: str) -> None:
        """Closes a door, if it is open."""
        await self.go_on.wait()
        self.closed.append(name)
        if self.workloads.pop(name, None) is not None:
            self.places.pop(name).left()
