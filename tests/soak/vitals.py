"""What a process takes up while it runs, and whether that grows."""

import asyncio
import os
import statistics
import time
from pathlib import Path
from typing import NamedTuple, NoReturn

_MIB = 1 << 20
_MINUTE = 60.0
_SETTLED = 1 / 3
"""The part of the samples, at the beginning, that says nothing about growth."""


class Sample(NamedTuple):
    """One look.

    Attributes:
        minutes: Since the first look.
        rss: Resident memory, in MiB.
        fds: Open file descriptors.
    """

    minutes: float
    rss: float
    fds: int


class Vitals:
    """Looks at a process again and again.

    Attributes:
        samples: What was seen, in order.
    """

    def __init__(self, pid: int) -> None:
        """Sees nothing yet."""
        self.samples: list[Sample] = []
        self._folder = Path(f"/proc/{pid}")
        self._began = time.monotonic()

    @property
    def rss_growth(self) -> float:
        """MiB a minute, by least squares, once it has settled."""
        return self._slope([one.rss for one in self.samples])

    @property
    def fds_growth(self) -> float:
        """File descriptors a minute, likewise."""
        return self._slope([one.fds for one in self.samples])

    async def watch(self, every_seconds: float = 1.0) -> NoReturn:
        """Looks for ever."""
        while True:
            self.look()
            await asyncio.sleep(every_seconds)

    def look(self) -> Sample:
        """Looks once."""
        pages = int((self._folder / "statm").read_text("ascii").split()[1])
        rss = pages * os.sysconf("SC_PAGE_SIZE") / _MIB
        fds = len(list((self._folder / "fd").iterdir()))
        minutes = (time.monotonic() - self._began) / _MINUTE
        self.samples.append(Sample(minutes, rss, fds))
        return self.samples[-1]

    def _slope(self, values: list[float]) -> float:
        first = int(len(values) * _SETTLED)
        minutes = [one.minutes for one in self.samples[first:]]
        if len(minutes) < 2:
            return 0.0
        return statistics.linear_regression(minutes, values[first:]).slope
