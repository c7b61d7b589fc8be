"""Runs scenarios, prints what they measured, and keeps it.

``python -m bench`` runs all, ``python -m bench start restart`` those two, and
``--quick`` runs them once and briefly, to see that they work; that is not written down.
A scenario that fails does not keep the others from running, and leaves its old numbers.
"""

import argparse
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc

from bench import results
from bench.client import LoadGenerator
from bench.measure import Effort
from bench.progress import Progress
from bench.scenario import Bench
from bench.scenarios import SCENARIOS

_FAILURES = (OSError, RuntimeError, ValueError, subprocess.SubprocessError, grpc.RpcError)


def main() -> None:
    """Runs what the command line names; exit code 1 where a scenario failed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    names = ", ".join(SCENARIOS)
    parser.add_argument("scenario", nargs="*", help=f"of {names}; default: all")
    parser.add_argument("--quick", action="store_true", help="one brief run, not written down")
    options = parser.parse_args()
    if unknown := set(options.scenario) - SCENARIOS.keys():
        parser.error(f"scenario: expected some of {names}, not {', '.join(sorted(unknown))}")
    measured, failed = _run(options.scenario or list(SCENARIOS), quick=options.quick)
    sys.stdout.write(results.table(measured) + "\n")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def _run(names: Sequence[str], *, quick: bool) -> tuple[list[dict[str, Any]], list[str]]:
    """What was measured, and which scenarios failed."""
    effort = Effort(quick=quick)
    progress = Progress({name: effort.total(SCENARIOS[name].seconds) for name in names}, _say)
    measured: list[dict[str, Any]] = []
    failed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="governd-bench-") as folder:
        bench = Bench(Path(folder), LoadGenerator.build(), effort, progress, _say)
        for name in names:
            progress.begin(name)
            try:
                found = [result.record(name) for result in SCENARIOS[name].run(bench)]
            except _FAILURES:
                _say(traceback.format_exc())
                failed.append(name)
                continue
            measured += found
            if not quick:
                results.keep(name, found, order=list(SCENARIOS))
    return measured, failed


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
