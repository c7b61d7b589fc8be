"""What an operator does in SPIRE, and how soon it counts at governd's sockets.

An entry is created: until the workload, which waits on its socket by the Python client, has
its identity. An entry is deleted: until the stream of the Workload API ends, which tells a
workload that it has none any more. The time of SPIRE's command line is in it.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import grpc

from bench import spire, workload
from bench.daemon import Daemon, Setup, serving
from bench.measure import Runs
from bench.results import Result
from bench.scenario import Bench
from governd_client import Client
from tests.spire_parts import Spire

RUNS = 10
DEFAULT_RUNS = 5
_PATIENCE_SECONDS = 60


class Entries(NamedTuple):
    """Seconds from an operator's command to what it does.

    Attributes:
        ready: From ``entry create`` to the identity.
        gone: From ``entry delete`` to the end of the identity.
    """

    ready: float
    gone: float


def run(bench: Bench) -> Iterator[Result]:
    """Measures both with a SPIRE that syncs at once, and with one that does by default."""
    fast = _measure(bench, RUNS, fast=True)
    default = _measure(bench, DEFAULT_RUNS, fast=False)
    gone, ready = "entry deleted until its identity is gone", "entry created until it is ready"
    how, usual = "SPIRE syncs every 0.2 s", "SPIRE syncs every 5 s, its default"
    yield Result(f"{gone}, {how}", Runs.of(fast, lambda one: one.gone), "s", 1)
    yield Result(f"{gone}, {usual}", Runs.of(default, lambda one: one.gone), "s")
    yield Result(f"{ready}, {how}", Runs.of(fast, lambda one: one.ready), "s")
    yield Result(f"{ready}, {usual}", Runs.of(default, lambda one: one.ready), "s")


def _measure(bench: Bench, runs: int, *, fast: bool) -> list[Entries]:
    with spire.running(fast=fast) as neighbour:
        settings = spire.source(neighbour) + spire.listeners(runs)
        with serving(bench, Setup(("reader",), settings=settings)) as daemon:
            return [_once(bench, neighbour, daemon, number) for number in bench.rounds(runs)]


def _once(bench: Bench, neighbour: Spire, daemon: Daemon, number: int) -> Entries:
    socket = spire.socket(number, daemon.folder)
    began = time.monotonic()
    with ThreadPoolExecutor(1) as other:
        waiting = other.submit(_ready, socket)
        ids = neighbour.server.create(spire.workload(number))
        ready = waiting.result() - began
        gone = other.submit(_gone, socket)
        time.sleep(0.5)  # its stream has begun
        began = time.monotonic()
        neighbour.server.delete(*ids)
        entries = Entries(ready, gone.result() - began)
    bench.say(f"   ready after {entries.ready:.2f} s, gone after {entries.gone:.2f} s")
    return entries


def _ready(socket: Path) -> float:
    with Client(str(socket)) as client:
        client.wait_ready(timeout=_PATIENCE_SECONDS)
        return time.monotonic()


def _gone(socket: Path) -> float:
    with grpc.insecure_channel(f"unix:{socket}") as channel:
        try:
            for _ in workload.fetch(channel):
                pass
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.PERMISSION_DENIED:
                raise
        return time.monotonic()
