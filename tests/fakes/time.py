"""Time that passes when a test says so."""

import asyncio
import itertools
from datetime import UTC, datetime

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
_TURNS = 50


async def settle() -> None:
    """Lets everything run that can run without time passing."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)


class FakeTime:
    """A monotonic clock, a wall clock and sleep, all at once.

    Attributes:
        slept: The seconds of every sleep that was begun, in order.
    """

    def __init__(self) -> None:
        """Begins at noon."""
        self.slept: list[float] = []
        self._monotonic = 1000.0
        self._offset = NOON.timestamp() - self._monotonic
        self._sleepers: dict[int, tuple[float, asyncio.Event]] = {}
        self._numbers = itertools.count()

    @property
    def wall(self) -> float:
        """Seconds since 1970. A test may set them, as an operator sets a clock."""
        return self._offset + self._monotonic

    @wall.setter
    def wall(self, seconds: float) -> None:
        self._offset = seconds - self._monotonic

    def clock(self) -> float:
        """Monotonic seconds."""
        return self._monotonic

    def wall_clock(self) -> float:
        """Seconds since 1970."""
        return self.wall

    async def sleep(self, seconds: float) -> None:
        """Returns when so many seconds have passed."""
        self.slept.append(seconds)
        number, woken = next(self._numbers), asyncio.Event()
        self._sleepers[number] = (self._monotonic + seconds, woken)
        try:
            await woken.wait()
        finally:
            self._sleepers.pop(number, None)

    async def advance(self, seconds: float) -> None:
        """Lets time pass, and everything happen that happens in it, in order."""
        await settle()
        end = self._monotonic + seconds
        while self._sleepers:
            number, (due, woken) = min(self._sleepers.items(), key=lambda item: item[1][0])
            if due > end:
                break
            del self._sleepers[number]
            self._monotonic = max(due, self._monotonic)
            woken.set()
            await settle()
        self._monotonic = end
        await settle()
