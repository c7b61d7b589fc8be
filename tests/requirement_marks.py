"""What the tests say they prove: the mark ``req`` and the table behind it."""

import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

TABLE = Path(__file__).parent / "requirements.toml"


class Requirement(NamedTuple):
    """One row of the table."""

    id: str
    title: str
    priority: str


class Proof(NamedTuple):
    """One thing that shows a requirement, or a part of it."""

    requirement: str
    source: str
    part: bool


def requirements() -> dict[str, Requirement]:
    """The table, by id, in its own order."""
    rows = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    return {key: Requirement(key, row["title"], row["priority"]) for key, row in rows.items()}


def proofs_of(items: Iterable[pytest.Item], known: Iterable[str]) -> Iterator[Proof]:
    """The proofs among collected tests; the cases of one test are one proof.

    Raises:
        pytest.UsageError: A mark names an id that the table does not have.
    """
    ids = frozenset(known)
    for item in items:
        for mark in item.iter_markers("req"):
            yield _proof(mark, item.nodeid.partition("[")[0], ids)


def _proof(mark: pytest.Mark, test: str, ids: frozenset[str]) -> Proof:
    part = mark.kwargs.get("part", False)
    if len(mark.args) != 1 or set(mark.kwargs) - {"part"} or not isinstance(part, bool):
        message = f'{test}: expected req("<id>") or req("<id>", part=True)'
        raise pytest.UsageError(message)
    if mark.args[0] not in ids:
        message = f"{test}: {TABLE.name} has no requirement {mark.args[0]!r}"
        raise pytest.UsageError(message)
    return Proof(mark.args[0], test, part)
