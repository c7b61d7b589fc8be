"""Whether callers get in each other's way: all at once, and one that asks far too much.

Shares: 50 callers that ask ten times a second each are a node that is busy and not
saturated. The noisy one then asks 50 times as often as its share, so that the node has
about 1,000 questions a second to answer.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from bench import policies, question
from bench.daemon import Daemon, Setup, agents, serving
from bench.load import EVALUATE, Group, Load, Report
from bench.measure import Runs
from bench.results import Result
from bench.scenario import Bench

CALLERS = 50
IN_FLIGHT = 20
SHARE = 10
"""Questions a second."""
NOISE = 50
"""So many times its share."""
RUNS = 3
_QUIET = "quiet"
_ALL_QUIET, _ONE_NOISY = "all quiet", "one noisy"
_REQ = ("perf-4",)


def run(bench: Bench) -> Iterator[Result]:
    """Measures 1,000 calls in flight, then quiet and noise in turns."""
    names = agents(CALLERS)
    setup = Setup(names, policies.demo(bench.folder / "fairness-policy", names))
    bodies = question.never_repeated(bench.folder / "never-repeated")
    with serving(bench, setup) as daemon:
        yield from _all_at_once(bench, daemon, bodies)
        yield from _noise(bench, daemon, bodies)


def _all_at_once(bench: Bench, daemon: Daemon, bodies: Path) -> Iterator[Result]:
    who = Group(daemon.sockets, in_flight=IN_FLIGHT)
    load = bench.effort.hurry(Load([who], EVALUATE, bodies, warm=1, seconds=6))
    reports = []
    for _ in bench.rounds(RUNS):
        reports.append(bench.load.run(load, pid=daemon.pid))
        bench.say(f"   {reports[-1].errors} errors, {_unfairness(reports[-1]):.2f} x")
    question.check_permitted(reports)
    what = f"{CALLERS * IN_FLIGHT:,} calls in flight from {CALLERS} callers"
    errors = Runs([sum(report.errors for report in reports)])
    yield Result(f"{what}: errors", errors, "calls", 0, "=", req=_REQ)
    unfair = Runs.of(reports, _unfairness)
    name = f"{what}: worst caller's p99 / best caller's"
    yield Result(name, unfair, "x", 2, "<=", req=_REQ)
    yield Result(f"{what}: calls a second", Runs.of(reports, lambda one: one.per_second), "/s")
    yield Result(f"{what}: p99", Runs.of(reports, lambda one: one.p99_ms), "ms")


def _unfairness(report: Report) -> float:
    p99 = [caller.p99_ms for caller in report.callers]
    return max(p99) / max(min(p99), 0.001)


def _noise(bench: Bench, daemon: Daemon, bodies: Path) -> Iterator[Result]:
    found: dict[str, list[Report]] = {name: [] for name in (_ALL_QUIET, _ONE_NOISY)}
    for _ in bench.rounds(RUNS):
        for name, groups in _loads(daemon.sockets).items():
            load = bench.effort.hurry(Load(groups, EVALUATE, bodies, seconds=5))
            found[name].append(bench.load.run(load, pid=daemon.pid))
            bench.say(f"   {name}: p99 {_p99(found[name][-1]):.2f} ms of the {CALLERS - 1} others")
    quiet, noisy = (Runs.of(reports, _p99) for reports in found.values())
    what = f"{CALLERS - 1} callers at {SHARE}/s beside one at {NOISE} x {SHARE}/s"
    ratio = Runs([a / b for a, b in zip(noisy.values, quiet.values, strict=True)])
    yield Result(f"{what}: their p99", noisy, "ms")
    yield Result(f"{CALLERS} callers at {SHARE}/s: p99 of the same callers", quiet, "ms")
    yield Result(f"{what}: their p99 / without it", ratio, "x", 2, "<=", req=_REQ)
    # The noisy one may be refused; nobody else may.
    errors = [report.groups[_QUIET].errors for report in found[_ONE_NOISY]]
    yield Result(f"{what}: their errors", Runs([sum(errors)]), "calls", 0, "=", req=_REQ)


def _loads(sockets: Sequence[Path]) -> dict[str, list[Group]]:
    """The other one keeps to its share in the first and does not in the second."""
    quiet = Group(sockets[1:], _QUIET, rate=SHARE)
    other = sockets[:1]
    return {
        _ALL_QUIET: [quiet, Group(other, "other", rate=SHARE)],
        _ONE_NOISY: [quiet, Group(other, "other", rate=SHARE * NOISE)],
    }


def _p99(report: Report) -> float:
    return report.groups[_QUIET].p99_ms
