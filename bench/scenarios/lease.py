"""Leased answers in the Python client: what one costs, and how soon it ends with its policy.

The client polls; the policy then forbids what it permitted. Counted is until the client's
code sees the deny, from the call of Reload and from its answer.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench import admin, policies
from bench.daemon import NAMES, Daemon, Setup, serving
from bench.measure import Runs
from bench.results import Result
from bench.scenario import Bench

CLIENT = "bench.lease_client"
COUNT = 100_000
CHANGES = 10
_LEASES = "[leases]\nmax_seconds = 60.0"
_PERMITS, _FORBIDS = "DEMO-*: *", "OTHER-*: *"


class Change(NamedTuple):
    """A policy that reached a client, in milliseconds.

    Attributes:
        since_call: Of Reload.
        since_answer: Of Reload; 0 where the client was earlier.
    """

    since_call: float
    since_answer: float


def run(bench: Bench) -> Iterator[Result]:
    """Measures the cost of leased answers, then how soon they end."""
    policy = policies.demo(bench.folder / "lease-policy", ())
    with serving(bench, Setup(NAMES, policy, poll=3600, settings=_LEASES)) as daemon:
        yield from _cost(bench, daemon)
        changes = _changes(bench, daemon, policy)
    what = "a changed policy reaches a leasing client"
    answer = Runs.of(changes, lambda change: change.since_answer)
    call = Runs.of(changes, lambda change: change.since_call)
    yield Result(f"{what}, from Reload's answer", answer, "ms", 200)
    yield Result(f"{what}, from the call of Reload", call, "ms")


def _cost(bench: Bench, daemon: Daemon) -> Iterator[Result]:
    command = _command("cost", daemon, str(bench.effort.size(COUNT, COUNT // 20)))
    runs = [json.loads(subprocess.check_output(command)) for _ in bench.rounds(5)]
    for asked in runs[0]:
        mean = Runs([run[asked]["mean_us"] for run in runs])
        p99 = Runs([run[asked]["p99_us"] for run in runs])
        bench.say(f"   {asked}: {mean.median:.2f} us, p99 {p99.median:.2f} us")
        yield Result(f"leased answer in Python, {asked}", mean, "us", 10)
        yield Result(f"leased answer in Python, {asked}: p99", p99, "us")


def _command(verb: str, daemon: Daemon, *rest: str) -> list[str]:
    _reader, writer = daemon.sockets
    return [sys.executable, "-m", CLIENT, verb, str(writer), *rest]


def _changes(bench: Bench, daemon: Daemon, policy: Path) -> list[Change]:
    command = _command("follow", daemon)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
        try:
            found = [_change(daemon, client, policy) for _ in bench.rounds(CHANGES)]
        finally:
            client.terminate()
    bench.say(f"   {Runs.of(found, lambda change: change.since_answer).median:.1f} ms")
    return found


def _change(daemon: Daemon, client: subprocess.Popen[str], policy: Path) -> Change:
    """One change from a leased permit to a deny, and back."""
    _until(client, allowed=True, leased=True)
    _rewrite(policy, _PERMITS, _FORBIDS)
    with admin.connected(daemon) as reload:
        called = time.monotonic_ns()
        reload()
        answered = time.monotonic_ns()
        seen = _until(client, allowed=False, leased=False)
        _rewrite(policy, _FORBIDS, _PERMITS)
        reload()
    return Change((seen - called) / 1e6, max(seen - answered, 0) / 1e6)


def _until(client: subprocess.Popen[str], *, allowed: bool, leased: bool) -> int:
    """When the client first saw such an answer."""
    if client.stdout is not None:
        for line in client.stdout:
            when, *said = map(int, line.split())
            if said == [allowed, leased]:
                return when
    message = "the client ended; it has said why"
    raise RuntimeError(message)


def _rewrite(policy: Path, old: str, new: str) -> None:
    file = policy / "policies" / "git.cedar"
    file.write_text(file.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
