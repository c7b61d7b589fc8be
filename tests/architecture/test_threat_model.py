"""The threat model says of each risk what stops it, what is left, and which tests show it."""

import re
from pathlib import Path

import pytest

from tests.requirement_marks import requirements

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "threat-model.md"
FOLDERS = (ROOT / "tests", ROOT / "clients" / "python" / "tests")
LEAST_TESTS = 5
PARTLY = {"r-1", "r-4"}
"""Risks of which a part is for the cluster and for releases to stop."""
RISKS = sorted(one for one in requirements() if re.fullmatch(r"r-\d+", one))


def text() -> str:
    return DOCUMENT.read_text(encoding="utf-8")


def section(risk: str) -> str:
    """What the document says of a risk, its heading first."""
    (found,) = re.findall(rf"^### {risk} .+?(?=^##|\Z)", text(), re.MULTILINE | re.DOTALL)
    return str(found)


def named(words: str) -> list[str]:
    """The tests that a text names."""
    return re.findall(r"`(test_\w+)`", words)


def all_tests() -> set[str]:
    files = (path for folder in FOLDERS for path in folder.rglob("*.py"))
    found = (re.findall(r"def (test_\w+)\(", path.read_text(encoding="utf-8")) for path in files)
    return {name for names in found for name in names}


def test_every_test_that_the_document_names_exists() -> None:
    assert not sorted(set(named(text())) - all_tests())


@pytest.mark.parametrize(
    "risk", [pytest.param(one, marks=pytest.mark.req(one, part=one in PARTLY)) for one in RISKS]
)
def test_a_risk_is_named_with_what_stops_it_what_is_left_and_the_tests(risk: str) -> None:
    words = section(risk)
    for part in ("**Threat.** ", "**What stops it.** ", "**What is left.** ", "**Tests.** "):
        assert words.count(part) == 1, part
    tests = named(words)
    assert len(tests) >= LEAST_TESTS
    assert len(tests) == len(set(tests))


def test_each_party_that_can_be_compromised_is_considered() -> None:
    parties = re.findall(r"^\| ([^|]+) \| .* \| .* \|$", text(), re.MULTILINE)
    for party in ("agent's pod", "MCP server", "root on the node", "SPIRE agent"):
        assert any(party in one for one in parties), party
    for party in ("policy source", "operator", "network"):
        assert any(party in one for one in parties), party
