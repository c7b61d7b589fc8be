"""What an idle governd occupies: the daemon, and with it the parent that restarts it.

For the daemon alone RSS and PSS stand to the goal, for both processes together PSS: the
parent is a fork, and the sum of their RSS counts each shared page twice.
"""

import time
from collections.abc import Iterator

from bench.daemon import serving
from bench.measure import Memory, Runs, memory
from bench.results import Result
from bench.scenario import Bench

GOAL_MIB = 90
IDLE_SECONDS = 5


def run(bench: Bench) -> Iterator[Result]:
    """Measures it with three listeners, 5 s after all of them answered."""
    runs = [_once(bench) for _ in bench.rounds(3)]
    alone, both = zip(*runs, strict=True)
    yield _result("RSS of the daemon", [found.rss for found in alone])
    yield _result("PSS of the daemon", [found.pss for found in alone])
    yield _result("PSS of daemon and parent", [found.pss for found in both])


def _result(name: str, mib: list[float]) -> Result:
    return Result(f"{name}, idle", Runs(mib), "MiB", goal=GOAL_MIB)


def _once(bench: Bench) -> tuple[Memory, Memory]:
    with serving(bench) as daemon:
        time.sleep(bench.effort.seconds(IDLE_SECONDS))
        alone = memory(daemon.pid)
        both = alone + memory(daemon.parent.pid)
    bench.say(f"daemon {alone.rss:.1f} MiB RSS, with its parent {both.rss:.1f} MiB")
    return alone, both
