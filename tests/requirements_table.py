"""Prints, for each requirement, how many things prove it.

A proof is a test with the mark ``req``, or a line of ``bench/results.json`` that carries
the id and meets its goal. ``~`` marks a requirement of which only parts are shown, ``-``
one of which nothing is. Run it with ``make requirements``; ``--json`` is for programs.
"""

import argparse
import contextlib
import io
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.requirement_marks import Proof, proofs_of, requirements  # noqa: E402 — path first

RESULTS = ROOT / "bench" / "results.json"


class _Collector:
    """A pytest plugin that keeps what was collected."""

    def __init__(self) -> None:
        self.items: list[pytest.Item] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.items = list(session.items)


def main(arguments: Sequence[str]) -> int:
    """Prints the table; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print a JSON array")
    options = parser.parse_args(arguments)
    try:
        rows = list(table([*from_tests(), *from_bench()]))
    except pytest.UsageError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    lines = [json.dumps(rows, indent=2)] if options.json else [line(row) for row in rows]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def from_tests() -> Iterator[Proof]:
    """The proofs among all tests of the repository, collected and not run."""
    collector = _Collector()
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = pytest.main(["--collect-only", "-q", f"--rootdir={ROOT}"], plugins=[collector])
    if code != pytest.ExitCode.OK:
        raise pytest.UsageError(said.getvalue())
    yield from proofs_of(collector.items, requirements())


def from_bench(file: Path = RESULTS) -> Iterator[Proof]:
    """The proofs among the last numbers of ``make bench``."""
    known = requirements()
    results = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    for result in results:
        named = result.get("req") or []
        for identifier in [named] if isinstance(named, str) else named:
            if identifier not in known:
                message = f"{file.name}: {result['name']}: no requirement {identifier!r}"
                raise pytest.UsageError(message)
            if result["met"]:
                yield Proof(identifier, f"bench: {result['name']}", part=False)


def table(proofs: Sequence[Proof]) -> Iterator[dict[str, object]]:
    """One row for each requirement, in the table's order."""
    for requirement in requirements().values():
        mine = [proof for proof in proofs if proof.requirement == requirement.id]
        sources = sorted({proof.source for proof in mine})
        shown = "part" if all(proof.part for proof in mine) else "whole"
        yield {**requirement._asdict(), "shown": shown if mine else "none", "proofs": sources}


def line(row: dict[str, object]) -> str:
    """One aligned line of the table."""
    sign = {"none": "-", "part": "~", "whole": " "}[str(row["shown"])]
    proofs = row["proofs"]
    count = len(proofs) if isinstance(proofs, list) else 0
    return f"{row['id']:<9}{count:>4} {sign} {row['title']}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
