"""From the start of ``governd run`` until all of three listeners say that they serve."""

import time
from collections.abc import Iterator

from bench.daemon import running
from bench.measure import Runs
from bench.results import Result
from bench.scenario import Bench


def run(bench: Bench) -> Iterator[Result]:
    """Measures it by a client that tries every 5 ms."""
    runs = [_once(bench) for _ in bench.rounds(7)]
    yield Result("start to ready", Runs(runs), "s", goal=1.5)


def _once(bench: Bench) -> float:
    with running(bench) as daemon:
        bench.load.wait(daemon.sockets)
        seconds = time.monotonic() - daemon.started
    bench.say(f"{seconds:.2f} s")
    return seconds
