"""Evaluate beside a no-op call of the same server: rate, latency, the server's CPU time.

Runs of the two take turns, so that what else happens on the machine meets both alike. The
decision log is on, as always, and the question is one that the demo's policy permits.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from bench.daemon import Daemon, serving
from bench.load import EVALUATE, HEALTH, Load, Report, frame
from bench.measure import Runs
from bench.results import Result
from bench.scenario import Bench
from governd._proto.governd.v1 import policy_service_pb2

OPEN_RATE = 500
QUESTIONS = 4096


class Pair(NamedTuple):
    """Runs of the two calls under the same load."""

    noop: list[Report]
    evaluate: list[Report]

    def runs(self, value: Callable[[Report], float]) -> tuple[Runs, Runs]:
        """A number of Evaluate's runs, and of the no-op's."""
        return Runs([*map(value, self.evaluate)]), Runs([*map(value, self.noop)])


def run(bench: Bench) -> Iterator[Result]:
    """Measures closed loops with one call and with eight in flight, and an open loop."""
    bodies = frame([question(n) for n in range(QUESTIONS)], bench.folder / "questions")
    with serving(bench) as daemon:
        for in_flight in (1, 8):
            pair = _measure(bench, daemon, Load(in_flight=in_flight), bodies)
            yield from _closed(pair, f"{in_flight} in flight")
        pair = _measure(bench, daemon, Load(rate=OPEN_RATE, seconds=6), bodies)
        yield from _open(pair, f"{OPEN_RATE}/s open loop, decision log on")


def question(number: int) -> bytes:
    """An Evaluate request; they differ in an argument that policies look at."""
    request = policy_service_pb2.EvaluateRequest()
    request.action.name = "tools/call"
    request.resource.type, request.resource.id = "tool", "git/git_commit"
    arguments = {"repo_path": "repository", "message": f"DEMO-{number}: say what it is for"}
    request.context.arguments_json = json.dumps(arguments).encode()
    return request.SerializeToString()


def _measure(bench: Bench, daemon: Daemon, load: Load, bodies: Path) -> Pair:
    load = replace(load, seconds=bench.effort.seconds(load.seconds))
    evaluate = replace(load, method=EVALUATE, bodies=bodies)
    pair = Pair([], [])
    for _ in range(bench.effort.runs(5)):
        pair.noop.append(_once(bench, daemon, replace(load, method=HEALTH)))
        pair.evaluate.append(_once(bench, daemon, evaluate))
        _check_permitted(pair.evaluate[-1])
    return pair


def _once(bench: Bench, daemon: Daemon, load: Load) -> Report:
    _reader, writer, *_ = daemon.sockets
    report = bench.load.run([writer], load, pid=daemon.pid)
    if report.refused or report.failed or report.lost:
        message = f"{load.method}: calls failed: {report.first_error}"
        raise RuntimeError(message)
    name = load.method.rpartition("/")[2]
    bench.say(
        f"{name:8} {report.per_second:6.0f}/s  p50 {report.p50_ms:.2f}  p90 {report.p90_ms:.2f}  "
        f"p99 {report.p99_ms:.2f}  p99.9 {report.p999_ms:.2f} ms  cpu {report.server_cpu_us:.0f} us"
    )
    return report


def _check_permitted(report: Report) -> None:
    """A deny may be cheaper: what is measured has to be a permit."""
    reply = bytes.fromhex(report.sample_reply)
    answer = policy_service_pb2.EvaluateResponse.FromString(reply).evaluation
    if not answer.decision:
        message = f"the question is not permitted: {answer}"
        raise RuntimeError(message)


def _closed(pair: Pair, load: str) -> Iterator[Result]:
    rate, floor = pair.runs(lambda report: report.per_second)
    yield Result(f"Evaluate, {load}: calls a second", rate, "/s", floor=floor)
    for quantile, value in _LATENCIES.items():
        runs, floor = pair.runs(value)
        yield Result(f"Evaluate, {load}: {quantile}", runs, "ms", floor=floor)
    cost, floor = pair.runs(lambda report: report.server_cpu_us)
    yield Result(f"Evaluate, {load}: server CPU for each call", cost, "us", floor=floor)
    above = [mine - noop for mine, noop in zip(cost.values, floor.values, strict=True)]
    yield Result(f"Evaluate, {load}: server CPU above the no-op", Runs(above), "us")


def _open(pair: Pair, load: str) -> Iterator[Result]:
    for quantile, value in _LATENCIES.items():
        runs, floor = pair.runs(value)
        goal = 10 if quantile == "p99" else None
        yield Result(f"Evaluate, {load}: {quantile}", runs, "ms", goal=goal, floor=floor)


_LATENCIES: dict[str, Callable[[Report], float]] = {
    "p50": lambda report: report.p50_ms,
    "p90": lambda report: report.p90_ms,
    "p99": lambda report: report.p99_ms,
    "p99.9": lambda report: report.p999_ms,
}
