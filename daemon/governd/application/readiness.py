"""Keeps what governd says of its health what it should be."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Protocol

from governd.application.operate import Operator

_AT_LEAST_EVERY_SECONDS = 1.0


class HealthPort(Protocol):
    """Where the outside learns whether governd is ready."""

    async def set_ready(self, *, ready: bool) -> None:
        """Says whether questions are answered from a policy."""


class Readiness:
    """Tells the health service, and whoever else wants to know, when readiness changes.

    Attributes:
        ready: As last told.
    """

    def __init__(
        self, operator: Operator, health: HealthPort, on_change: Callable[[bool], object]
    ) -> None:
        """Begins not ready, as the health service does."""
        self.ready = False
        self._operator = operator
        self._health = health
        self._on_change = on_change

    async def refresh(self) -> None:
        """Tells of a change, if there is one."""
        ready = self._operator.status().ready
        if ready != self.ready:
            self.ready = ready
            self._on_change(ready)
            await self._health.set_ready(ready=ready)

    async def tend(self, changed: asyncio.Event) -> None:
        """Refreshes soon after ``changed`` is set, and now and then, for ever."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), _AT_LEAST_EVERY_SECONDS)
            changed.clear()
            await self.refresh()
