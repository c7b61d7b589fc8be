"""Evaluate beside a no-op call of the same server: rate, latency, the server's CPU time.

Asked is what was never asked before, and what was asked a moment ago. The decision log is
on, as always, and the question is one that the demo's policy permits.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from bench import question
from bench.daemon import Daemon, serving
from bench.load import EVALUATE, HEALTH, LATENCIES, Group, Load, Report
from bench.measure import Runs
from bench.results import Result
from bench.scenario import Bench, Trial

OPEN_RATE = 500
RUNS = 5
NOOP = "no-op"
CPU_GOALS = {"never repeated": 150, "repeated": 40}
"""For the server's CPU time above the no-op, in microseconds."""
_OPEN_GOALS = {"p50": 1, "p99": 5, "p99.9": 10}


def run(bench: Bench) -> Iterator[Result]:
    """Measures closed loops with one call and with eight in flight, and an open loop."""
    asked = {
        "never repeated": question.never_repeated(bench.folder / "never-repeated"),
        "repeated": question.repeated(bench.folder / "repeated"),
    }
    with serving(bench) as daemon:
        _reader, writer, *_ = daemon.sockets
        for in_flight in (1, 8):
            who = Group([writer], in_flight=in_flight)
            found = _measure(bench, daemon, who, 2, asked)
            for name in asked:
                yield from _closed(found, name, f"{in_flight} in flight")
        who = Group([writer], rate=OPEN_RATE)
        found = _measure(bench, daemon, who, 5, {"never repeated": asked["never repeated"]})
        yield from _open(found["never repeated"], found[NOOP])


def _measure(
    bench: Bench, daemon: Daemon, who: Group, seconds: float, asked: Mapping[str, Path]
) -> Mapping[str, list[Report]]:
    """Runs of the no-op and of each kind of question, in turns."""
    loads = {NOOP: Load([who], HEALTH, seconds=seconds)}
    for name, bodies in asked.items():
        loads[name] = Load([who], EVALUATE, bodies, seconds=seconds)
    trials = {name: Trial(load, daemon.pid) for name, load in loads.items()}
    found = bench.in_turns(RUNS, trials)
    for name in asked:
        question.check_permitted(found[name])
    return found


def _closed(found: Mapping[str, list[Report]], name: str, load: str) -> Iterator[Result]:
    mine, noop = found[name], found[NOOP]
    what = f"Evaluate, {name}, {load}"
    rate, floor = (Runs.of(one, lambda report: report.per_second) for one in (mine, noop))
    yield Result(f"{what}: calls a second", rate, "/s", floor=floor)
    for quantile, value in LATENCIES.items():
        runs, floor = Runs.of(mine, value), Runs.of(noop, value)
        yield Result(f"{what}: {quantile}", runs, "ms", floor=floor)
    cost, floor = (Runs.of(one, lambda report: report.cpu_us) for one in (mine, noop))
    yield Result(f"{what}: server CPU for each call", cost, "us", floor=floor)
    above = f"{what}: server CPU above the no-op"
    yield Result(above, cost.minus(floor), "us", goal=CPU_GOALS[name], goal_op="<=")


def _open(mine: list[Report], noop: list[Report]) -> Iterator[Result]:
    what = f"Evaluate, never repeated, {OPEN_RATE}/s open loop, decision log on"
    for quantile, value in LATENCIES.items():
        runs, floor = Runs.of(mine, value), Runs.of(noop, value)
        goal = _OPEN_GOALS.get(quantile)
        yield Result(f"{what}: {quantile}", runs, "ms", goal=goal, floor=floor)
