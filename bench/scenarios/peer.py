"""Cerbos, by the same client, asked an equivalent question; governd takes turns with it.

Each server runs alone with its client while it is measured: the other one idles.
"""

from collections.abc import Iterator

from bench import cerbos, question
from bench.cerbos import Cerbos
from bench.daemon import Daemon, serving
from bench.load import EVALUATE, LATENCIES, Group, Load, Report, frame
from bench.measure import Runs, memory
from bench.results import Result
from bench.scenario import Bench, Trial

RUNS = 5
_PEER = f"Cerbos {cerbos.VERSION}"
_OURS = ("governd, never repeated", "governd, repeated")


def run(bench: Bench) -> Iterator[Result]:
    """Measures one call and eight in flight."""
    bench.say(f"   {_PEER}: {cerbos.program()}")
    with serving(bench) as daemon, cerbos.serving(bench) as peer:
        for in_flight in (1, 8):
            found = bench.in_turns(RUNS, _trials(bench, daemon, peer, in_flight))
            _check(found[_PEER])
            for name in (_PEER, *_OURS):
                yield from _results(f"{name}, {in_flight} in flight", found[name])
        yield Result(f"{_PEER}: RSS after that", Runs([memory(peer.pid).rss]), "MiB")
        yield Result("governd: RSS after that", Runs([memory(daemon.pid).rss]), "MiB")


def _trials(bench: Bench, daemon: Daemon, peer: Cerbos, in_flight: int) -> dict[str, Trial]:
    theirs = frame([cerbos.question(question.NEVER_TWICE)], bench.folder / "cerbos")
    new, old = (bench.folder / name for name in ("never-repeated", "repeated"))
    asked = (question.never_repeated(new), question.repeated(old))
    ours = Group([daemon.sockets[1]], in_flight=in_flight)
    load = Load([Group([peer.socket], in_flight=in_flight)], cerbos.CHECK, theirs, seconds=1.5)
    trials = {_PEER: Trial(load, peer.pid)}
    for name, bodies in zip(_OURS, asked, strict=True):
        trials[name] = Trial(Load([ours], EVALUATE, bodies, seconds=1.5), daemon.pid)
    return trials


def _check(reports: list[Report]) -> None:
    for report in reports:
        if not cerbos.allowed(bytes.fromhex(report.sample_reply)):
            message = f"{_PEER} does not permit: {report.sample_reply}"
            raise RuntimeError(message)


def _results(what: str, reports: list[Report]) -> Iterator[Result]:
    yield Result(f"{what}: calls a second", Runs.of(reports, lambda one: one.per_second), "/s")
    for quantile in ("p50", "p99"):
        yield Result(f"{what}: {quantile}", Runs.of(reports, LATENCIES[quantile]), "ms")
    yield Result(
        f"{what}: server CPU for each call", Runs.of(reports, lambda one: one.cpu_us), "us"
    )
