"""``governd policy test``: what an author wants, compared with what is decided."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.unit.cli.policy_files import READER, governd_says, write_policy

WRONG = f"""\
cases:
  - name: a reader reads
    subject: {READER}
    action: tools/call
    resource: tool:git/read
    arguments: {{path: README}}
    want: {{decision: deny, code: NOT_PERMITTED}}
  - name: no question
    subject: reader
    action: tools/list
    resource: mcp_server:git
    want: deny
"""
ADDED = f"""\
policies: |
  @id("extra/nobody")
  forbid (principal in Group::"nobody", action, resource);
entities:
  - uid: {{type: Agent, id: {READER}}}
    parents: [{{type: Group, id: nobody}}]
cases:
  - name: nobody may anything
    subject: {READER}
    action: tools/list
    resource: mcp_server:git
    want: {{decision: deny, reasons: [extra/nobody]}}
"""


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """A good policy with good cases."""
    return write_policy(tmp_path / "policy")


def test_the_cases_beside_a_policy_are_run(policy: Path) -> None:
    said = governd_says("policy", "test", policy).stdout
    assert "2 cases passed" in said
    assert "main/no-secrets" in said


def test_a_case_that_fails_is_shown_with_wanted_and_got(policy: Path) -> None:
    (policy / "tests" / "wrong.yaml").write_text(WRONG)
    said = governd_says("policy", "test", policy, code=1).stdout
    assert "decision: wanted deny, got allow" in said
    assert "code: wanted NOT_PERMITTED, got PERMITTED" in said
    assert 'subject: a SPIFFE ID begins with "spiffe://"' in said
    assert "2 of 4 cases failed" in said


def test_what_a_file_adds_is_in_force_for_its_own_cases_only(policy: Path) -> None:
    (policy / "tests" / "added.yaml").write_text(ADDED)
    assert "3 cases passed" in governd_says("policy", "test", policy).stdout


def test_a_mistake_in_what_a_file_adds_has_the_files_own_line(policy: Path) -> None:
    file = policy / "tests" / "added.yaml"
    file.write_text(ADDED.replace("forbid (principal in", "forbid (principal on"))
    said = governd_says("policy", "test", policy, file, code=1).stdout
    assert f"{file}:2: " in said
    file.write_text(ADDED.replace("type: Agent, id: ", "type: Nothing, id: "))
    assert f"{file}:5: entities: " in governd_says("policy", "test", policy, file, code=1).stdout


def test_a_file_that_would_hide_a_policy_is_refused(policy: Path) -> None:
    manifest = policy / "manifest.toml"
    manifest.write_text(manifest.read_text().replace("main.cedar", "added.yaml.cedar"))
    (policy / "policies" / "main.cedar").rename(policy / "policies" / "added.yaml.cedar")
    (policy / "tests" / "added.yaml").write_text(ADDED)
    assert "rename this file" in governd_says("policy", "test", policy, code=1).stdout


def test_json_has_every_case_under_stable_keys(policy: Path, tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(WRONG)
    said = json.loads(governd_says("policy", "test", policy, file, "--json", code=1).stdout)
    assert (said["passed"], said["failed"]) == (0, 2)
    assert said["files"] == [
        {
            "file": str(file),
            "problems": [],
            "cases": [
                {
                    "name": "a reader reads",
                    "passed": False,
                    "failures": [
                        "decision: wanted deny, got allow",
                        "code: wanted NOT_PERMITTED, got PERMITTED",
                    ],
                    "decision": "allow",
                    "code": "PERMITTED",
                    "reasons": ["base/capabilities-cover"],
                },
                {
                    "name": "no question",
                    "passed": False,
                    "failures": ['subject: a SPIFFE ID begins with "spiffe://", in lower case'],
                    "decision": None,
                    "code": None,
                    "reasons": [],
                },
            ],
        }
    ]


def test_junit_has_a_suite_for_each_file_and_counts_that_add_up(
    policy: Path, tmp_path: Path
) -> None:
    (policy / "tests" / "wrong.yaml").write_text(WRONG)
    (policy / "tests" / "broken.yaml").write_text("cases: [")
    report = tmp_path / "report.xml"
    governd_says("policy", "test", policy, "--junit", report, code=1)
    root = ET.fromstring(report.read_bytes())  # noqa: S314 - our own
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("5", "2", "1")
    broken, good, wrong = root
    assert [suite.get("tests") for suite in (broken, good, wrong)] == ["1", "2", "2"]
    assert "broken.yaml:1: is not read" in (broken[0][0].get("message") or "")
    assert [case.get("name") for case in good] == ["a reader reads", "but no secret"]
    assert (wrong[0][0].text or "").startswith("decision: wanted deny, got allow")


def test_junit_has_no_character_that_xml_forbids(policy: Path, tmp_path: Path) -> None:
    text = WRONG.replace("no question", '"no \\x01 question"')
    (policy / "tests" / "main.yaml").write_text(text)
    report = tmp_path / "report.xml"
    governd_says("policy", "test", policy, "--junit", report, code=1)
    assert "no \ufffd question" in report.read_text()


def test_no_cases_at_all_is_a_mistake(policy: Path) -> None:
    (policy / "tests" / "main.yaml").unlink()
    assert "no cases: name a FILE" in governd_says("policy", "test", policy, code=2).stderr


def test_a_policy_that_is_refused_fails_with_file_and_line(policy: Path) -> None:
    (policy / "policies" / "main.cedar").write_text("\npermit (principal;")
    said = governd_says("policy", "test", policy, code=1).stdout
    assert f"{policy / 'policies' / 'main.cedar'}:2: " in said


def test_an_absent_directory_is_named(tmp_path: Path) -> None:
    said = governd_says("policy", "test", tmp_path / "nope", code=1).stdout
    assert f"{tmp_path / 'nope'}: is not a directory" in said


def test_a_report_that_cannot_be_written_is_told(policy: Path) -> None:
    said = governd_says("policy", "test", policy, "--junit", "/proc/nope", code=1).stderr
    assert "--junit: cannot write /proc/nope" in said
