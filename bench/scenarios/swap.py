"""10,000 policies compiled and put in force while questions are answered, ten times over.

Every policy is another one in each edition, so that nothing of the last is of use. Then
governd is killed, and is to be back without compiling again.
"""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench import admin, policies, question
from bench.daemon import Daemon, Setup, running
from bench.load import EVALUATE, Group, Load, Report
from bench.measure import Memory, Runs, memory, wait_for_end
from bench.policies import AGENT, GATEWAY, Shape
from bench.results import Result
from bench.scenario import Bench

POLICIES = 10_000
_QUICK_POLICIES = 1_000
SWAPS = 10
RATE = 200
"""Questions a second during a swap."""
SETTLE_SECONDS = 1
GROWTH_PERCENT = 5
_SHAPE = Shape.PRINCIPAL


class Swap(NamedTuple):
    """One swap.

    Attributes:
        seconds: From the call of Reload to its answer.
        report: Of the questions asked meanwhile.
        memory: Of the daemon, a little later.
    """

    seconds: float
    report: Report
    memory: Memory


def run(bench: Bench) -> Iterator[Result]:
    """Measures the first start, the swaps, and the start after kill -9."""
    folder = bench.folder / "swap-policy"
    policies.write(folder, _SHAPE, bench.effort.size(POLICIES, _QUICK_POLICIES))
    setup = Setup((AGENT.format(0), GATEWAY), folder, poll=3600)
    count = max(bench.effort.runs(SWAPS), 3)  # growth shows between the second and the last
    with running(bench, setup) as daemon:
        bench.load.wait(daemon.sockets)
        first = time.monotonic() - daemon.started
        swaps = [_swap(bench, daemon, folder, number) for number in bench.progress.rounds(count)]
        again = [_killed(bench, daemon) for _ in range(bench.effort.runs(3))]
    question.check_permitted([swap.report for swap in swaps])
    yield from _results(swaps)
    what = f"{POLICIES:,} policies"
    yield Result(f"{what}: first start to ready", Runs([first]), "s")
    yield Result(f"{what}: kill -9 until all sockets answer again", Runs(again), "s", 2)


def _swap(bench: Bench, daemon: Daemon, folder: Path, number: int) -> Swap:
    count = bench.effort.size(POLICIES, _QUICK_POLICIES)
    policies.write(folder, _SHAPE, count, edition=number + 2)
    bodies = question.never_repeated(bench.folder / "never-repeated")
    who = Group(daemon.sockets[:1], rate=RATE)
    load = Load([who], EVALUATE, bodies, warm=0.3, seconds=60, until_told=True)
    with admin.connected(daemon) as reload:
        asking = bench.load.start(load, pid=daemon.pid)
        asking.wait_until_measured()
        seconds = admin.timed(reload)
        report = asking.stop()
    time.sleep(SETTLE_SECONDS)
    swap = Swap(seconds, report, memory(daemon.pid))
    bench.say(
        f"   {seconds:.2f} s; p50 {report.p50_ms:.2f}  p99 {report.p99_ms:.2f}  "
        f"max {report.max_ms:.1f} ms; {report.errors} errors; {swap.memory.rss:.1f} MiB RSS"
    )
    return swap


def _killed(bench: Bench, daemon: Daemon) -> float:
    victim = daemon.pid
    killed = time.monotonic()
    os.kill(victim, signal.SIGKILL)
    wait_for_end(victim)
    bench.load.wait(daemon.sockets)
    seconds = time.monotonic() - killed
    bench.say(f"   {seconds:.2f} s from kill -9 to ready")
    return seconds


def _results(swaps: list[Swap]) -> Iterator[Result]:
    what = f"{POLICIES:,} policies"
    seconds = Runs.of(swaps, lambda swap: swap.seconds)
    yield Result(f"{what} compiled and swapped: Reload to its answer", seconds, "s", 10)
    during = f"Evaluate at {RATE}/s while {what} are swapped"
    reports = [swap.report for swap in swaps]
    yield Result(f"{during}: p50", Runs.of(reports, lambda one: one.p50_ms), "ms")
    yield Result(f"{during}: p99", Runs.of(reports, lambda one: one.p99_ms), "ms", 20)
    yield Result(f"{during}: longest", Runs.of(reports, lambda one: one.max_ms), "ms")
    errors = Runs([sum(one.errors for one in reports)])
    yield Result(f"{during}: errors", errors, "calls", 0, "=")
    second, last = swaps[1].memory.rss, swaps[-1].memory.rss
    yield Result(f"{what}: RSS of the daemon after the last swap", Runs([last]), "MiB")
    name = f"{what}: RSS that swaps 3 to {len(swaps)} add"
    yield Result(name, Runs([(last - second) / second * 100]), "%", GROWTH_PERCENT)
