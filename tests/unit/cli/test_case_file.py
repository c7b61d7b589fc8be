"""Files of cases: every mistake by its line."""

from pathlib import Path

import pytest

from governd.cli import case_file
from governd.errors import PolicyError

FILE = Path("cases.yaml")
CASE = "{name: n, subject: s, action: a, resource: 'b:c', want: deny}"


def problems(text: str) -> list[str]:
    """What is wrong with a text."""
    with pytest.raises(PolicyError) as caught:
        case_file.parse(text, FILE)
    return [str(problem) for problem in caught.value.problems]


def test_a_case_is_read_with_all_that_it_has() -> None:
    found = case_file.parse(f"policies: |\n  permit;\nentities: []\ncases: [{CASE}]", FILE)
    assert found.content.cases[0].wanted.decision == "deny"
    assert (found.policies_line, found.entities_line) == (1, 3)


@pytest.mark.parametrize(
    ("text", "before"),
    [("policies: |\n  permit;", 1), ("\npolicies: permit;", 1), ("policies:\n  permit;", 1)],
)
def test_the_line_of_a_policy_is_known_in_each_style(text: str, before: int) -> None:
    assert case_file.parse(f"{text}\ncases: [{CASE}]", FILE).policies_line == before


def test_each_mistake_has_its_key_and_line_in_order() -> None:
    text = """\
cases:
  - name: one
    subjekt: s
    action: 1
    resource: a:b
    want: {decision: maybe}
  - name: two
"""
    assert problems(text) == [
        "cases.yaml:2: cases[0].subject: required",
        "cases.yaml:3: cases[0].subjekt: unknown key",
        "cases.yaml:4: cases[0].action: input should be a valid string",
        "cases.yaml:6: cases[0].want.decision: input should be 'allow' or 'deny'",
        "cases.yaml:7: cases[1].subject: required",
        "cases.yaml:7: cases[1].action: required",
        "cases.yaml:7: cases[1].resource: required",
        "cases.yaml:7: cases[1].want: required",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "cases.yaml: must be a mapping"),
        ("- a", "cases.yaml:1: must be a mapping"),
        ("cases: []", "cases.yaml:1: cases: tuple should have at least 1 item"),
        ("a: 1\na: 2", 'cases.yaml:2: is not read: it has the key "a" twice'),
        ("a: \x01", "cases.yaml:1: is not YAML: it has a control character"),
        ("[" * 5000, "cases.yaml: is not read: it is nested too deeply"),
    ],
)
def test_what_is_no_file_of_cases_is_refused(text: str, said: str) -> None:
    (problem,) = problems(text)
    assert problem.startswith(said)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"cases: []\n\xff", ":2: is not valid UTF-8"),
        (b" " * ((1 << 20) + 1), ": has more than 1048576 bytes"),
    ],
)
def test_bytes_that_cannot_be_read_are_refused(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "cases.yaml"
    file.write_bytes(content)
    with pytest.raises(PolicyError, match=said):
        case_file.load(file)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"nope\.yaml: cannot be read: no such file"):
        case_file.load(tmp_path / "nope.yaml")
