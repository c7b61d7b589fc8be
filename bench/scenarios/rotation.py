"""1,000 identities that rotate all the time: what they cost the daemon, and how late they are.

Each has a listener. SPIRE dates X.509-SVIDs back by ten seconds and renews them at half of
that lifetime, here some 25 seconds after they were issued. A few workloads are watched both
at the agent's socket and at governd's, in one event loop: *late* is the time between the two.
"""

import asyncio
import socket
import time
import urllib.request
from collections.abc import Iterator
from typing import NamedTuple

from bench import spire, watch
from bench.daemon import Daemon, Setup, serving
from bench.measure import Runs, cpu_of, memory, nearest_rank
from bench.results import Result
from bench.scenario import Bench
from tests.spire_parts import Spire

COUNT = 1_000
TTL_SECONDS = 60
SECONDS = 100
WATCHED = 20
OWN = 2
"""Identities of governd's own, which do not rotate meanwhile."""
_LOOK_SECONDS = 1.0
_PATIENCE_SECONDS = 60
_READY = 'governd_identity_workloads{phase="ready"}'
_ROTATIONS = "governd_identity_rotations_total"


class Rotated(NamedTuple):
    """What was seen in the measured time.

    Attributes:
        rotations: A second.
        cpu: Of the daemon, percent of a core.
        without: The most workloads at any moment that had no identity.
        late: Milliseconds of each rotation that was watched.
    """

    rotations: float
    cpu: float
    without: float
    late: list[float]


def run(bench: Bench) -> Iterator[Result]:
    """Measures once: SPIRE takes its time to issue so many."""
    count = bench.effort.size(COUNT, 50)
    ttl, seconds = bench.effort.size(TTL_SECONDS, 20), bench.effort.size(SECONDS, 12)
    address = f"127.0.0.1:{_free_port()}"
    with spire.running(spire.workloads(count, ttl=ttl)) as neighbour:
        settings = spire.source(neighbour) + spire.listeners(count)
        setup = Setup(("reader",), settings=settings, metrics=address)
        with serving(bench, setup) as daemon:
            for _ in bench.rounds(1):
                found = asyncio.run(_measure(neighbour, daemon, address, count, seconds))
            rss = memory(daemon.pid).rss
    bench.say(f"   {found.rotations:.1f}/s, {found.cpu:.1f} % CPU, {rss:.0f} MiB")
    yield from _results(found, f"{count:,} identities of {ttl} s", rss)


def _results(found: Rotated, what: str, rss: float) -> Iterator[Result]:
    missing = Runs([found.without])
    yield Result(
        f"{what}: without one at any moment", missing, "workloads", 0, "=", req=("scale-4",)
    )
    yield Result(f"{what}: rotations a second", Runs([found.rotations]), "/s")
    yield Result(f"{what}: CPU of the daemon, of a core", Runs([found.cpu]), "%")
    yield Result(f"{what}: RSS of the daemon", Runs([rss]), "MiB")
    for percent in (50, 99):
        late = Runs([nearest_rank(found.late, percent)])
        yield Result(f"{what}: late behind SPIRE, p{percent}", late, "ms")


async def _measure(
    neighbour: Spire, daemon: Daemon, address: str, count: int, seconds: int
) -> Rotated:
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while await _metric(address, _READY) < count + OWN:  # noqa: ASYNC110 - of a process
            await asyncio.sleep(_LOOK_SECONDS)
    agent = neighbour.agent.admin_socket
    async with watch.watching(agent, daemon.folder, min(WATCHED, count)) as seen:
        await asyncio.sleep(_LOOK_SECONDS)
        rotations, cpu = await _metric(address, _ROTATIONS), cpu_of(daemon.pid)
        began, ready = time.monotonic(), []
        while time.monotonic() < began + seconds:
            ready.append(await _metric(address, _READY))
            await asyncio.sleep(_LOOK_SECONDS)
        took = time.monotonic() - began
        rotations = await _metric(address, _ROTATIONS) - rotations
        cpu = 100 * (cpu_of(daemon.pid) - cpu) / took
        late = seen.late(began)
    if rotations < count:
        message = f"only {rotations:.0f} of {count} identities rotated"
        raise RuntimeError(message)
    return Rotated(rotations / took, cpu, count + OWN - min(ready), late)


async def _metric(address: str, name: str) -> float:
    return await asyncio.to_thread(_scraped, address, name)


def _scraped(address: str, name: str) -> float:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    (value,) = (line.rpartition(" ")[2] for line in lines if line.startswith(f"{name} "))
    return float(value)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
