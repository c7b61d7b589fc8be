"""How long a workload that opens waits for its identity, of a real SPIRE.

One after the other, and many at once, as when a node comes up. The agent knows them: it has
their X.509-SVIDs before they open. And whether each attempt succeeded, by governd's metric.
"""

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from bench import spire
from bench.measure import Runs, nearest_rank
from bench.results import Result
from bench.scenario import Bench

ONE_BY_ONE = 200
AT_ONCE = 200
_CONFIG = """\
state_directory = "state"
trust_domain = "example.org"
[[listener]]
socket = "unused.sock"
spiffe_id = "spiffe://example.org/unused"
"""


class Opened(NamedTuple):
    """Workloads that were opened.

    Attributes:
        seconds: Until each was ready.
        cpu: Seconds of governd's CPU time, for each.
        issued: X.509-SVIDs, since the process began.
        failed: Attempts, likewise.
    """

    seconds: list[float]
    cpu: float
    issued: int
    failed: int

    @property
    def p50(self) -> float:
        """Milliseconds."""
        return nearest_rank(self.seconds, 50) * 1000

    @property
    def p99(self) -> float:
        """Milliseconds."""
        return nearest_rank(self.seconds, 99) * 1000


def run(bench: Bench) -> Iterator[Result]:
    """Measures both, on the same SPIRE."""
    config = bench.folder / "identities.toml"
    with spire.running(spire.workloads(max(ONE_BY_ONE, AT_ONCE))) as neighbour:
        config.write_text(_CONFIG + spire.source(neighbour), encoding="utf-8")
        with _process("one", ONE_BY_ONE, config) as measure:
            one = [_said(bench, measure()) for _ in bench.rounds(5)]
        with _process("all", AT_ONCE, config) as measure:
            burst = [_said(bench, measure()) for _ in bench.rounds(9)]
    yield from _results("one at a time", one, ("perf-1",))
    yield from _results(f"{AT_ONCE} at once", burst, ())
    issued, failed = (one[-1].issued + burst[-1].issued, one[-1].failed + burst[-1].failed)
    share = Runs([100 * issued / (issued + failed)])
    what = "X.509-SVIDs that came / attempts, by governd_identity_issued_total"
    yield Result(what, share, "%", 99.9, ">=", req=("sm-1",))


def _results(how: str, opened: list[Opened], req: tuple[str, ...]) -> Iterator[Result]:
    what = f"X.509-SVID of a workload that opens, {how}"
    yield Result(f"{what}: p50", Runs.of(opened, lambda one: one.p50), "ms")
    yield Result(f"{what}: p99", Runs.of(opened, lambda one: one.p99), "ms", 100, req=req)
    cpu = Runs.of(opened, lambda one: one.cpu * 1000)
    yield Result(f"{what}: CPU of governd for each", cpu, "ms")


def _said(bench: Bench, opened: Opened) -> Opened:
    bench.say(f"   p50 {opened.p50:.1f} ms, p99 {opened.p99:.1f} ms; {opened.failed:.0f} failed")
    return opened


@contextlib.contextmanager
def _process(how: str, count: int, config: Path) -> Iterator[Callable[[], Opened]]:
    command = [sys.executable, "-m", "bench.identity_process", how, str(count), str(config)]
    pipe = subprocess.PIPE
    with (
        config.with_suffix(".log").open("ab") as log,
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=log, text=True) as process,
    ):
        yield lambda: _ask(process)
        process.communicate()


def _ask(process: "subprocess.Popen[str]") -> Opened:
    if process.stdin is None or process.stdout is None:
        raise ValueError
    process.stdin.write("\n")
    process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        message = "the process with governd's identities ended"
        raise RuntimeError(message)
    return Opened(**json.loads(line))
