"""Rotates many short-lived identities under load, for long; 1 if a call failed.

python -m tests.soak --identities 200 --ttl 60 --minutes 3 --rate 100
"""

import argparse
import asyncio
import contextlib
import io
import itertools
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.integration.daemon_process import DEMO_POLICY, DaemonProcess, prepare
from tests.mtls_parts import own_entries, settings
from tests.soak.rotation import RotatingCallers, entries, listeners
from tests.soak.vitals import Vitals
from tests.spire_parts import Spire, spires

_PROGRESS_SECONDS = 10
_START_SECONDS = 300
_ROTATIONS = 2
_FAILURES_SHOWN = 10
_FILES = 65_536
_QUANTILES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}


def _options(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make soak ARGS=...", description=__doc__)
    parser.add_argument("--identities", type=int, default=200, help="callers; each rotates its own")
    parser.add_argument("--ttl", type=int, default=60, help="of every X.509-SVID, in seconds")
    parser.add_argument("--minutes", type=float, default=3.0, help="for how long")
    parser.add_argument("--rate", type=float, default=100.0, help="calls a second, of all callers")
    return parser.parse_args(words)


def _say(text: str) -> None:
    # Standard output proper: what SPIRE logged is kept from it.
    print(text, file=sys.__stdout__, flush=True)


@contextlib.contextmanager
def _governd(spire: Spire, callers: int) -> Iterator[DaemonProcess]:
    # Each caller has a second connection for a moment, whenever it rotates.
    more = f"connections = {4 * callers}\n{listeners(callers)}"
    with tempfile.TemporaryDirectory(prefix="soak-") as scratch:
        daemon = prepare(Path(scratch) / "governd", settings(spire, more=more), {}, DEMO_POLICY)
        try:
            daemon.start()
            yield daemon
            assert daemon.stop() == 0, daemon.stderr_file.read_text()
        finally:
            daemon.kill()


async def _run(options: argparse.Namespace, daemon: DaemonProcess) -> int:
    async with RotatingCallers(daemon, options.identities) as callers:
        await callers.until(lambda caller: caller.ready, _START_SECONDS)
        vitals = Vitals(daemon.daemon_pid)
        tasks = [
            asyncio.ensure_future(vitals.watch()),
            asyncio.ensure_future(callers.call(per_second=options.rate)),
        ]
        await _watch(callers, vitals, options.minutes * 60)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return _sum_up(callers, vitals)


async def _watch(callers: RotatingCallers, vitals: Vitals, seconds: float) -> None:
    began = time.monotonic()
    for number in itertools.count(1):
        due = began + min(number * _PROGRESS_SECONDS, seconds)
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        now, rotations = vitals.look(), callers.rotations
        _say(
            f"{due - began:6.0f} s  {len(callers.seconds)} calls, {len(callers.failures)} failed, "
            f"{sum(rotations)} rotations, {now.rss:.1f} MiB, {now.fds} files"
        )
        if due >= began + seconds:
            return


def _sum_up(callers: RotatingCallers, vitals: Vitals) -> int:
    rotations, took = callers.rotations, sorted(callers.seconds)
    _say(f"calls      {len(took)}, {len(callers.failures)} failed")
    _say(
        f"rotations  {sum(rotations)}: fewest of one identity {min(rotations)}, "
        f"median {statistics.median(rotations):.0f}"
    )
    quantiles = ((name, took[int(len(took) * part)]) for name, part in _QUANTILES.items())
    latency = ", ".join(f"{name} {seconds * 1e3:.1f} ms" for name, seconds in quantiles)
    _say(f"latency    {latency}, most {took[-1] * 1e3:.1f} ms; client and governd together")
    first, last = vitals.samples[0], vitals.samples[-1]
    _say(f"memory     {first.rss:.1f} to {last.rss:.1f} MiB, {vitals.rss_growth:+.2f} a minute")
    _say(f"files      {first.fds} to {last.fds}, {vitals.fds_growth:+.2f} a minute")
    for failure in callers.failures[:_FAILURES_SHOWN]:
        _say(f"failed     {failure}")
    return int(bool(callers.failures) or min(rotations) < _ROTATIONS)


def main(words: Sequence[str]) -> int:
    """Runs it; the exit code."""
    options = _options(words)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, _FILES), hard))
    registered = [*own_entries(options.ttl), *entries(options.identities, options.ttl)]
    with contextlib.redirect_stdout(io.StringIO()) as logged, spires("INFO") as start:
        spire = start(entries=registered)
        with _governd(spire, options.identities) as daemon:
            code = asyncio.run(_run(options, daemon))
    if code:
        sys.stderr.write(logged.getvalue())
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
