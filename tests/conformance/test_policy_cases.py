"""Behaviour as data: each case in ``policy/*.yaml`` gets the decision that it wants.

The cases are about the policy in ``policy/source``. Every door must give them the same
answers; this is the evaluator's own.
"""

from pathlib import Path

import pytest

from governd.cli import case_run
from governd.cli.case_run import FileReport

FOLDER = Path(__file__).parent / "policy"
FILES = sorted(FOLDER.glob("*.yaml"))


@pytest.fixture(scope="module")
def reports() -> dict[str, FileReport]:
    found = case_run.run(FOLDER / "source", FILES)
    return {Path(report.file).name: report for report in found}


def test_there_are_cases() -> None:
    assert len(FILES) >= 6


@pytest.mark.req("tenant-1", part=True)
@pytest.mark.parametrize("name", [file.name for file in FILES])
def test_every_case_gets_the_decision_it_wants(name: str, reports: dict[str, FileReport]) -> None:
    report = reports[name]
    assert not report.problems
    failed = {one.result.name: one.result.failures for one in report.results if one.result.failures}
    assert not failed
    assert report.results
