"""The table counts proofs, and takes none for a requirement that does not exist."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.requirement_marks import Proof, proofs_of, requirements
from tests.requirements_table import from_bench, line, table


@dataclass
class FakeItem:
    """A collected test; stands in for ``pytest.Item``."""

    nodeid: str
    marks: tuple[pytest.Mark, ...]

    def iter_markers(self, name: str) -> Iterator[pytest.Mark]:
        return (mark for mark in self.marks if mark.name == name)


def proofs(*marks: pytest.MarkDecorator, nodeid: str = "test_a.py::test_x[1]") -> list[Proof]:
    item = FakeItem(nodeid, tuple(mark.mark for mark in marks))
    return list(proofs_of([item], requirements()))  # type: ignore[list-item]  # a fake


def lines(found: list[Proof]) -> dict[str, str]:
    return {str(row["id"]): line(row) for row in table(found)}


def test_every_requirement_has_a_title_and_a_priority() -> None:
    rows = requirements()
    assert all(row.title for row in rows.values())
    assert {row.priority for row in rows.values()} == {"must", "should", "could", "constraint"}
    assert {"rt-1", "rt-4", "ob-5", "r-6", "sec-6", "sec-7", "c-4", "scale-2"} <= set(rows)


def test_a_mark_is_a_proof_of_its_requirement() -> None:
    (proof,) = proofs(pytest.mark.req("ob-1", part=True))
    assert proof == Proof("ob-1", "test_a.py::test_x", part=True)


def test_the_cases_of_one_test_are_one_proof() -> None:
    found = [
        *proofs(pytest.mark.req("ob-1"), nodeid="test_a.py::test_x[1]"),
        *proofs(pytest.mark.req("ob-1"), nodeid="test_a.py::test_x[2]"),
    ]
    assert lines(found)["ob-1"] == "ob-1        1   structured logs with trace context"


def test_parts_alone_are_marked_and_a_whole_ends_that() -> None:
    part = Proof("ob-1", "a", part=True)
    assert lines([part])["ob-1"].startswith("ob-1        1 ~ ")
    assert lines([part, Proof("ob-1", "b", part=False)])["ob-1"].startswith("ob-1        2   ")


def test_what_nothing_proves_has_a_dash() -> None:
    assert lines([])["ob-1"].startswith("ob-1        0 - ")


@pytest.mark.parametrize(
    "mark",
    [
        pytest.mark.req("ob-99"),
        pytest.mark.req(),
        pytest.mark.req("ob-1", "ob-2"),
        pytest.mark.req("ob-1", whole=True),
        pytest.mark.req("ob-1", part="yes"),
    ],
    ids=["unknown id", "no id", "two ids", "unknown word", "part that is no truth value"],
)
def test_a_mark_that_says_something_else_is_an_error(mark: pytest.MarkDecorator) -> None:
    with pytest.raises(pytest.UsageError, match=r"^test_a\.py::test_x: "):
        proofs(mark)


def test_a_measured_line_counts_where_it_meets_its_goal(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    results = [
        {"name": "one", "met": True, "req": "perf-4"},
        {"name": "two", "met": False, "req": "perf-5"},
        {"name": "three", "met": True, "req": ["scale-1", "perf-4"]},
        {"name": "four", "met": True, "req": ""},
    ]
    file.write_text(json.dumps(results), encoding="utf-8")
    assert [proof.requirement for proof in from_bench(file)] == ["perf-4", "scale-1", "perf-4"]


def test_a_measured_line_of_an_unknown_requirement_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    file.write_text('[{"name": "one", "met": true, "req": "perf-99"}]', encoding="utf-8")
    with pytest.raises(pytest.UsageError, match=r"results\.json: one: no requirement 'perf-99'"):
        list(from_bench(file))


def test_without_measurements_there_are_none(tmp_path: Path) -> None:
    assert list(from_bench(tmp_path / "absent.json")) == []
