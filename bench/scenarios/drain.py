"""SIGTERM under load: a call that has begun is answered.

Two counts, from both ends: what the client sent and never had an answer to, and what is
in the decision log and reached no client. A call that is refused with DRAINING, or finds
no socket any more, has not begun.
"""

import time
from collections.abc import Iterator

from bench import question
from bench.daemon import serving
from bench.load import EVALUATE, Group, Load, Report
from bench.measure import Runs
from bench.results import Result
from bench.scenario import Bench

IN_FLIGHT = 8


def run(bench: Bench) -> Iterator[Result]:
    """Counts over several drains, with eight calls in flight at each."""
    lost, unseen, seconds = [], [], []
    for _ in bench.rounds(5):
        report, decided, took = _once(bench)
        lost.append(report.lost + report.failed)
        unseen.append(decided - report.answered)
        seconds.append(took)
        bench.say(f"{report.answered} answered, {report.refused} refused, {report.lost} lost")
    total = f"in {len(lost)} drains with {IN_FLIGHT} in flight"
    yield Result(f"calls sent and not answered {total}", Runs([sum(lost)]), "calls", 0, "=")
    yield Result(f"decisions that reached no client {total}", Runs([sum(unseen)]), "calls", 0, "=")
    yield Result("SIGTERM to exit under load", Runs(seconds), "s")


def _once(bench: Bench) -> tuple[Report, int, float]:
    """What the client saw, how many decisions are on record, how long it took to end."""
    bodies = question.never_repeated(bench.folder / "never-repeated")
    with serving(bench) as daemon:
        _reader, writer, *_ = daemon.sockets
        who = Group([writer], in_flight=IN_FLIGHT)
        load = Load([who], EVALUATE, bodies, warm=0.1, seconds=10, until_refused=True)
        client = bench.load.start(load)
        time.sleep(1)
        told = time.monotonic()
        daemon.parent.terminate()
        daemon.parent.wait()
        took = time.monotonic() - told
        return client.report(), daemon.decisions, took
