"""Questions over EvaluateStream, beside as many no-op calls in flight on the same server.

One stream, as a client library keeps it: whatever is to be asked at the moment goes out as
one message.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from bench import question
from bench.daemon import Daemon, serving
from bench.load import EVALUATE_STREAM, HEALTH, LATENCIES, Group, Load, Report
from bench.measure import Runs
from bench.results import Result
from bench.scenario import Bench, Trial

RUNS = 4
GOAL_RATIO = 2
_NOOP = "no-op"


def run(bench: Bench) -> Iterator[Result]:
    """Measures few and many questions in flight, repeated and never repeated ones."""
    asked = {
        "repeated": question.repeated(bench.folder / "repeated"),
        "never repeated": question.never_repeated(bench.folder / "never-repeated"),
    }
    with serving(bench) as daemon:
        for in_flight in (8, 64):
            found = _measure(bench, daemon, in_flight, asked)
            for name in asked:
                yield from _results(found, name, in_flight)


def _measure(
    bench: Bench, daemon: Daemon, in_flight: int, asked: Mapping[str, Path]
) -> Mapping[str, list[Report]]:
    _reader, writer, *_ = daemon.sockets
    unary = Group([writer], in_flight=in_flight)
    streamed = Group([writer], kind="stream", in_flight=in_flight)
    loads = {_NOOP: Load([unary], HEALTH, seconds=1.5)}
    for name, bodies in asked.items():
        loads[name] = Load([streamed], EVALUATE_STREAM, bodies, seconds=1.5)
    trials = {name: Trial(load, daemon.pid) for name, load in loads.items()}
    found = bench.in_turns(RUNS, trials)
    for name in asked:
        question.check_permitted(found[name])
    return found


def _results(found: Mapping[str, list[Report]], name: str, in_flight: int) -> Iterator[Result]:
    mine, noop = found[name], found[_NOOP]
    what = f"EvaluateStream, {name}, {in_flight} in flight"
    rate, floor = (Runs.of(one, lambda report: report.per_second) for one in (mine, noop))
    yield Result(f"{what}: questions a second", rate, "/s", floor=floor)
    ratio = Runs([a / b for a, b in zip(rate.values, floor.values, strict=True)])
    goal = GOAL_RATIO if name == "repeated" else None
    said = f"{what}: questions / no-op calls a second"
    yield Result(said, ratio, "x", goal=goal, goal_op=">=")
    for quantile in ("p50", "p99"):
        value = LATENCIES[quantile]
        runs, floor = Runs.of(mine, value), Runs.of(noop, value)
        yield Result(f"{what}: {quantile}", runs, "ms", floor=floor)
    cost, floor = (Runs.of(one, lambda report: report.cpu_us) for one in (mine, noop))
    yield Result(f"{what}: server CPU for each question", cost, "us", floor=floor)
