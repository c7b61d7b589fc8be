"""250 callers on one node: memory and latency when all of them ask and follow the epoch."""

import time
from collections.abc import Iterator

from bench import policies, question
from bench.daemon import Daemon, Setup, agents, serving
from bench.load import EVALUATE, LATENCIES, WATCH_EPOCH, Group, Load
from bench.measure import Memory, Runs, memory
from bench.results import Result
from bench.scenario import Bench

CALLERS = 250
CONNECTIONS = 3
"""Of each caller: an agent rarely has more processes than that."""
RATE = 500
"""Questions a second by all of them."""
GOAL_MIB = 150
_GOALS = {"p99": 5, "p99.9": 10}
_REQ = ("scale-1",)


def run(bench: Bench) -> Iterator[Result]:
    """Measures governd while all watch, then while all ask too."""
    names = agents(CALLERS)
    setup = Setup(names, policies.demo(bench.folder / "callers-policy", names))
    with serving(bench, setup) as daemon:
        yield from _watching(bench, daemon)
        yield from _asking(bench, daemon)


def _watching(bench: Bench, daemon: Daemon) -> Iterator[Result]:
    load = Load([Group(daemon.sockets, kind="watch")], WATCH_EPOCH, warm=2, seconds=4)
    shares = []
    for _ in bench.rounds(3):
        report = bench.load.run(bench.effort.hurry(load), pid=daemon.pid)
        shares.append(report.server_cpu_us / report.seconds / 10_000)
        bench.say(f"   {report.calls} beats, {shares[-1]:.1f} % of a core, {report.errors} errors")
    yield Result(f"{CALLERS} callers follow WatchEpoch and do not ask: CPU", Runs(shares), "%")


def _asking(bench: Bench, daemon: Daemon) -> Iterator[Result]:
    bodies = question.never_repeated(bench.folder / "never-repeated")
    who = Group(daemon.sockets, connections=CONNECTIONS, rate=RATE / CALLERS)
    load = bench.effort.hurry(Load([who], EVALUATE, bodies, warm=2, seconds=6))
    following = Group(daemon.sockets, kind="watch")
    watchers = bench.load.start(Load([following], WATCH_EPOCH, seconds=600, until_told=True))
    time.sleep(1)
    reports, occupied = [], []
    for _ in bench.rounds(3):
        asking = bench.load.start(load, pid=daemon.pid)
        time.sleep(load.warm + load.seconds * 0.8)  # every connection is open by then
        alone = memory(daemon.pid)
        occupied.append((alone, alone + memory(daemon.parent.pid)))
        reports.append(asking.report())
        bench.say(f"   {alone.rss:.0f} MiB RSS, p99 {reports[-1].p99_ms:.2f} ms")
    watched = watchers.stop()
    question.check_permitted(reports)
    yield from _memory(occupied)
    for quantile, value in LATENCIES.items():
        goal = _GOALS.get(quantile)
        name = f"{CALLERS} callers, {RATE}/s in all: {quantile}"
        req = _REQ if goal else ()
        yield Result(name, Runs.of(reports, value), "ms", goal, req=req)
    errors = Runs([watched.errors + sum(report.errors for report in reports)])
    yield Result(f"{CALLERS} callers, {RATE}/s in all: errors", errors, "calls", 0, "=", req=_REQ)


def _memory(occupied: list[tuple[Memory, Memory]]) -> Iterator[Result]:
    what = f"{CALLERS} callers that ask and follow WatchEpoch"
    for name, mib in (
        ("RSS of the daemon", Runs.of(occupied, lambda pair: pair[0].rss)),
        ("PSS of the daemon", Runs.of(occupied, lambda pair: pair[0].pss)),
        ("PSS of daemon and parent", Runs.of(occupied, lambda pair: pair[1].pss)),
    ):
        yield Result(f"{name}, {what}", mib, "MiB", GOAL_MIB, req=_REQ)
