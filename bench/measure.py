"""Reading the cost of processes from Linux, and boiling runs down to a number."""

import os
import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, TypeVar

from bench.load import Load

_KIB_PER_MIB = 1024
_One = TypeVar("_One")


class Effort:
    """How often and how long to measure: a quick run only shows that a scenario works."""

    def __init__(self, *, quick: bool) -> None:
        """Takes whether to hurry."""
        self._quick = quick

    def size(self, full: int, quick: int) -> int:
        """How much there is to measure with."""
        return quick if self._quick else full

    def runs(self, full: int) -> int:
        """How many runs to make."""
        return 1 if self._quick else full

    def seconds(self, full: float) -> float:
        """How long to go on."""
        return min(full, 0.5) if self._quick else full

    def total(self, full: float) -> float:
        """About how long a scenario takes."""
        return full / 8 if self._quick else full

    def hurry(self, load: Load) -> Load:
        """A load, shortened where it has to be."""
        return replace(load, seconds=self.seconds(load.seconds))


class Memory(NamedTuple):
    """Memory of processes, in MiB.

    Attributes:
        rss: Resident set: every page that is there, shared ones in full.
        pss: Proportional set: of a shared page, the share.
    """

    rss: float
    pss: float

    def __add__(self, other: object) -> "Memory":  # tuples would be joined
        """Both together."""
        if not isinstance(other, Memory):
            return NotImplemented
        return Memory(self.rss + other.rss, self.pss + other.pss)


def memory(pid: int) -> Memory:
    """What a process occupies now."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    kib = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
    return Memory(kib["Rss"] / _KIB_PER_MIB, kib["Pss"] / _KIB_PER_MIB)


def children(pid: int) -> list[int]:
    """The processes whose parent is ``pid``."""
    return [
        int(stat.parent.name) for stat in Path("/proc").glob("[0-9]*/stat") if _is_child(stat, pid)
    ]


def _is_child(stat: Path, pid: int) -> bool:
    try:
        # The name in brackets may hold anything; fields are counted from its end (proc(5)).
        _state, parent, *_ = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:  # it ended meanwhile
        return False
    return int(parent) == pid


def cpu_seconds(command: Sequence[str]) -> float:
    """CPU time, user and system, of a command that must succeed.

    Raises:
        subprocess.CalledProcessError: It did not.
    """
    before = _waited_for()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return _waited_for() - before


def _waited_for() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def cpu_of(pid: int) -> float:
    """CPU time, user and system, that a process has used so far; in seconds."""
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    user, system = stat.rpartition(")")[2].split()[11:13]  # proc(5), fields 14 and 15
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def nearest_rank(values: Iterable[float], percent: int) -> float:
    """A quantile that is one of the values, so that none is made up between two."""
    ranked = sorted(values)
    return ranked[-(-len(ranked) * percent // 100) - 1]


def wait_for_end(pid: int) -> None:
    """Returns when a process is gone or dead, whoever has to collect it."""
    stat = Path(f"/proc/{pid}/stat")
    while True:
        try:
            state = stat.read_text(encoding="utf-8").rpartition(")")[2].split()[0]
        except OSError:
            return
        if state in {"Z", "X"}:
            return
        time.sleep(0.001)


@dataclass(frozen=True)
class Runs:
    """The same thing measured several times.

    Attributes:
        values: What came out, in order.
    """

    values: Sequence[float]

    @classmethod
    def of(cls, measured: Iterable[_One], value: Callable[[_One], float]) -> "Runs":
        """A number of each run."""
        return cls([value(one) for one in measured])

    def minus(self, other: "Runs") -> "Runs":
        """How much each run is above the run of another thing that was made beside it."""
        return Runs([a - b for a, b in zip(self.values, other.values, strict=True)])

    @property
    def median(self) -> float:
        """The number to publish."""
        return statistics.median(self.values)

    @property
    def spread(self) -> float:
        """How far the runs differ: (highest - lowest) / median."""
        if self.median == 0:
            return 0.0
        return (max(self.values) - min(self.values)) / abs(self.median)
