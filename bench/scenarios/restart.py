"""From kill -9 of the daemon until every socket answers again, on the same paths."""

import os
import signal
import time
from collections.abc import Iterator

from bench.daemon import Setup, agents, serving
from bench.measure import Runs, wait_for_end
from bench.results import Result
from bench.scenario import Bench

LISTENERS = 50


def run(bench: Bench) -> Iterator[Result]:
    """Measures it on a fresh governd each time, by a client that tries every 5 ms."""
    runs = [_once(bench) for _ in bench.rounds(5)]
    name = f"kill -9 until all {LISTENERS} sockets answer again"
    yield Result(name, Runs(runs), "s", goal=2)


def _once(bench: Bench) -> float:
    with serving(bench, Setup(agents(LISTENERS))) as daemon:
        victim = daemon.pid
        killed = time.monotonic()
        os.kill(victim, signal.SIGKILL)
        wait_for_end(victim)  # a dying process still answers for a moment
        bench.load.wait(daemon.sockets)
        seconds = time.monotonic() - killed
    bench.say(f"{seconds:.2f} s")
    return seconds
