"""What a decision costs with 10, 1,000 and 10,000 policies of four shapes.

Governd with each number of policies runs at the same time and their runs take turns, so
that the machine's moods do not pass for a slope. *Warm*: one caller asks about itself.
*Cold*: each question is the first about its principal (or, for policies about resources,
its resource) since governd started, so that nothing is remembered for it.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from bench import policies, question
from bench.daemon import Daemon, Setup, serving
from bench.load import EVALUATE, HEALTH, LATENCIES, Group, Load, Report, frame
from bench.measure import Runs
from bench.policies import AGENT, GATEWAY, Shape
from bench.results import Result
from bench.scenario import Bench, Trial

COUNTS = (10, 1_000, 10_000)
_QUICK_COUNTS = (10, 100, 1_000)
FLAT = 1.15
"""The worst of the three costs may be so many times the best."""
RUNS = 6
SLOW_RUNS = 3
"""Where each decision takes long and nothing is to be flat."""
COLD_RUNS = 3
COLD_QUESTIONS = 300
"""In each run; fewer where there are not as many policies."""
_SLOW_QUESTIONS = 20
_IN_FLIGHT = 8
_ASKED = ("never repeated", "repeated")


class Sized(NamedTuple):
    """A governd with so many policies.

    Attributes:
        daemon: It.
        shape: Of the policies.
        policies: How many.
    """

    daemon: Daemon
    shape: Shape
    policies: int

    @property
    def name(self) -> str:
        """In the table."""
        return f"{self.policies:,} {self.shape}-scoped policies"


def run(bench: Bench) -> Iterator[Result]:
    """Measures each shape."""
    counts = [bench.effort.size(*pair) for pair in zip(COUNTS, _QUICK_COUNTS, strict=True)]
    for shape in Shape:
        with contextlib.ExitStack() as stack:
            sizes = [stack.enter_context(_serving(bench, shape, count)) for count in counts]
            yield from _cold(bench, sizes)
            yield from _warm(bench, sizes)


@contextlib.contextmanager
def _serving(bench: Bench, shape: Shape, count: int) -> Iterator[Sized]:
    folder = policies.write(bench.folder / f"{shape}-{count}", shape, count)
    bench.say(f"   starting with {count} {shape}-scoped policies")
    with serving(bench, Setup((AGENT.format(0), GATEWAY), folder)) as daemon:
        yield Sized(daemon, shape, count)


def _cold(bench: Bench, sizes: Sequence[Sized]) -> Iterator[Result]:
    """First questions, one at a time; each run asks about others."""
    reports: dict[int, list[Report]] = {size.policies: [] for size in sizes}
    for number in bench.rounds(COLD_RUNS):
        for size in sizes:
            report = bench.load.run(_first(bench, size, number), pid=size.daemon.pid)
            reports[size.policies].append(report)
    for size in sizes:
        found = reports[size.policies]
        question.check_permitted(found)
        yield from _latencies(f"{size.name}, cold", found)
        yield Result(f"{size.name}, cold: server CPU for each call", Runs.of(found, _cpu), "us")


def _first(bench: Bench, size: Sized, run: int) -> Load:
    """Asks about the run's share of the policies; policy 0 is asked about when warm."""
    most = _SLOW_QUESTIONS if size.shape is Shape.CONDITION else COLD_QUESTIONS
    share = min(most, (size.policies - 1) // COLD_RUNS)
    numbers = range(1 + run * share, 1 + (run + 1) * share)
    warm, gateway = size.daemon.sockets
    number = "0" * 16
    if size.shape is Shape.RESOURCE:
        bodies = [question.reach(host, number) for host in numbers]
    else:
        bodies = [question.commit(number, subject=AGENT.format(agent)) for agent in numbers]
    socket = warm if size.shape is Shape.RESOURCE else gateway
    file = frame(bodies, bench.folder / f"cold-{size.shape}-{size.policies}")
    return Load([Group([socket])], EVALUATE, file, warm=0, seconds=60, once=True)


def _warm(bench: Bench, sizes: Sequence[Sized]) -> Iterator[Result]:
    trials = {
        f"{size.policies} {name}": Trial(load, size.daemon.pid)
        for size in sizes
        for name, load in _loads(bench, size).items()
    }
    slow = sizes[0].shape is Shape.CONDITION
    found = bench.in_turns(SLOW_RUNS if slow else RUNS, trials)
    for name in _ASKED:
        costs = [_above(found, size, name) for size in sizes]
        for size, cost in zip(sizes, costs, strict=True):
            yield Result(f"{size.name}, {name}: server CPU above the no-op", cost, "us")
            reports, noop = found[f"{size.policies} {name}"], found[f"{size.policies} no-op"]
            yield from _latencies(f"{size.name}, {name}", reports, noop)
        if name == "never repeated":
            yield _flatness(sizes[0].shape, costs)


def _above(found: Mapping[str, list[Report]], size: Sized, asked: str) -> Runs:
    """The server's CPU time for each call, without that of the no-op."""
    reports, noop = found[f"{size.policies} {asked}"], found[f"{size.policies} no-op"]
    question.check_permitted(reports)
    return Runs.of(reports, _cpu).minus(Runs.of(noop, _cpu))


def _loads(bench: Bench, size: Sized) -> Mapping[str, Load]:
    who = [Group(size.daemon.sockets[:1], in_flight=_IN_FLIGHT)]
    ask = _reach_first if size.shape is Shape.RESOURCE else question.commit
    files = {
        "never repeated": [ask(question.NEVER_TWICE)],
        "repeated": [ask(f"{number:016}") for number in range(question.REPEATED)],
    }
    loads = {"no-op": Load(who, HEALTH, warm=0.1, seconds=0.5)}
    for name, bodies in files.items():
        file = frame(bodies, bench.folder / f"{size.shape}-{name}")
        loads[name] = Load(who, EVALUATE, file, warm=0.1, seconds=0.5)
    return loads


def _reach_first(number: str) -> bytes:
    return question.reach(0, number)


def _latencies(what: str, reports: list[Report], noop: Sequence[Report] = ()) -> Iterator[Result]:
    for quantile in ("p50", "p99"):
        value = LATENCIES[quantile]
        floor = Runs.of(noop, value) if noop else None
        yield Result(f"{what}: {quantile}", Runs.of(reports, value), "ms", floor=floor)


def _flatness(shape: Shape, costs: Sequence[Runs]) -> Result:
    """The worst number of policies beside the best; conditions have to be evaluated one by one.

    What is repeated is remembered, whatever the policies: that is not put to the test.
    """
    medians = [max(cost.median, 1.0) for cost in costs]
    name = f"10 to 10,000 {shape}-scoped policies: CPU above the no-op, worst / best"
    goal = None if shape is Shape.CONDITION else FLAT
    return Result(name, Runs([max(medians) / min(medians)]), "x", goal=goal, goal_op="<=")


def _cpu(report: Report) -> float:
    return report.cpu_us
