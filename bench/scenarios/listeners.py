"""What 250 more listeners add to memory and to the start."""

import time
from collections.abc import Iterator

from bench.daemon import Setup, agents, running
from bench.measure import Memory, Runs, memory
from bench.results import Result
from bench.scenario import Bench

FEW = 3
MANY = 253
IDLE_SECONDS = 3


def run(bench: Bench) -> Iterator[Result]:
    """Measures governd with few and with many, by turns."""
    added, starts = [], []
    for _ in bench.rounds(3):
        few, _start = _once(bench, FEW)
        many, start = _once(bench, MANY)
        added.append(Memory(many.rss - few.rss, many.pss - few.pss))
        starts.append(start)
        bench.say(f"250 listeners add {added[-1].rss:.1f} MiB RSS; {start:.2f} s to ready")
    rss, pss = (Runs(values) for values in zip(*added, strict=True))
    yield Result("RSS that 250 listeners add", rss, "MiB", goal=25)
    yield Result("PSS that 250 listeners add", pss, "MiB", goal=25)
    yield Result(f"start to ready with {MANY} listeners, all answering", Runs(starts), "s")


def _once(bench: Bench, listeners: int) -> tuple[Memory, float]:
    """Memory when idle, and seconds until all listeners answered."""
    with running(bench, Setup(agents(listeners))) as daemon:
        bench.load.wait(daemon.sockets)
        start = time.monotonic() - daemon.started
        time.sleep(bench.effort.seconds(IDLE_SECONDS))
        return memory(daemon.pid), start
