"""Runs scenarios, prints what they measured, and keeps it.

``python -m bench`` runs all, ``python -m bench start restart`` those two, and
``--quick`` runs them once and briefly, to see that they work; that is not written down.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench import results
from bench.load import LoadGenerator
from bench.measure import Effort
from bench.scenario import Bench
from bench.scenarios import SCENARIOS


def main() -> None:
    """Runs what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    names = ", ".join(SCENARIOS)
    parser.add_argument("scenario", nargs="*", help=f"of {names}; default: all")
    parser.add_argument("--quick", action="store_true", help="one brief run, not written down")
    options = parser.parse_args()
    if unknown := set(options.scenario) - SCENARIOS.keys():
        parser.error(f"scenario: expected some of {names}, not {', '.join(sorted(unknown))}")
    measured: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="governd-bench-") as folder:
        bench = Bench(Path(folder), LoadGenerator.build(), Effort(quick=options.quick), _say)
        for name in options.scenario or SCENARIOS:
            _say(f"== {name}")
            found = [result.record(name) for result in SCENARIOS[name](bench)]
            measured += found
            if not options.quick:  # at once: a scenario that fails leaves the others' numbers
                results.keep(name, found, order=list(SCENARIOS))
    sys.stdout.write(results.table(measured) + "\n")


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
