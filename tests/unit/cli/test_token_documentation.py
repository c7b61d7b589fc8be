"""What ``docs/tokens.md`` says of upstreams is so: its examples, its settings, its rules."""

import json
import re
from pathlib import Path

import pytest

from governd._proto.governd.v1 import error_reason_pb2
from governd.policy.authorization_servers import AuthorizationServer
from governd.policy.upstreams import Upstream
from governd.tokens.faults import TokenFault
from tests.unit.cli.policy_files import governd_says

DOCS = Path(__file__).parents[3] / "docs"
EXAMPLES = DOCS / "examples" / "tokens"
TEXT = (DOCS / "tokens.md").read_text(encoding="utf-8")
REASONS = error_reason_pb2.DESCRIPTOR.enum_types_by_name["ErrorReason"]
HEAD = """\
format = 1
name = "a worked example"
version = 1
trust_domain = "example.org"
files = []
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


def table(heading: str) -> list[str]:
    """The words in the first column of a table, by the beginning of its head."""
    rows = TEXT.partition(f"\n| {heading} |")[2].partition("\n\n")[0].splitlines()[2:]
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row.split("|")[1])]


MANIFEST = (EXAMPLES / "manifest.toml").read_text(encoding="utf-8")
QUOTED = [one for one in blocks("toml") if all(part in MANIFEST for part in one.split("\n\n"))]
WHOLE = [one for one in blocks("toml") if "[[upstream]]" in one and one not in QUOTED]


def test_the_examples_have_nothing_to_look_at() -> None:
    assert "0 errors, 0 warnings" in governd_says("policy", "lint", EXAMPLES, "--strict").stdout


def test_every_question_about_the_examples_gets_the_decision_it_deserves() -> None:
    said = json.loads(governd_says("policy", "test", EXAMPLES, "--json").stdout)
    assert said["failed"] == 0
    cases = {case["name"]: case["decision"] for file in said["files"] for case in file["cases"]}
    assert cases["for Alice of sales it reads the CRM"] == "allow"
    assert cases["for nobody there is no token of a user"] == "deny"
    assert cases["and one for something else does not"] == "deny"


def test_the_documentation_quotes_what_is_tested() -> None:
    policies = (EXAMPLES / "policies" / "tokens.cedar").read_text()
    cases = (EXAMPLES / "tests" / "tokens.yaml").read_text()
    [cedar] = blocks("cedar")
    [yaml] = blocks("yaml")
    assert cedar in policies
    assert yaml in cases
    grants = {name for one in QUOTED for name in re.findall(r'^grant = "(.+)"', one, re.MULTILINE)}
    assert grants == {"token-exchange", "id-jag", "jwt-bearer", "client-credentials"}


@pytest.mark.parametrize("example", WHOLE, ids=lambda text: text.split('"')[1])
def test_a_worked_example_is_taken_as_it_is_written(example: str, tmp_path: Path) -> None:
    (tmp_path / "manifest.toml").write_text(HEAD + example)
    said = governd_says("policy", "lint", tmp_path).stdout
    warned = example.count('"unsafe_none"')
    assert f"0 errors, {warned} warning{'' if warned == 1 else 's'}" in said


def test_there_are_worked_examples() -> None:
    assert len(WHOLE) >= 1


@pytest.mark.parametrize("kind", [AuthorizationServer, Upstream])
def test_every_setting_is_told(kind: type[AuthorizationServer] | type[Upstream]) -> None:
    heading = "`[[upstream]]`" if kind is Upstream else "`[[authorization_server]]`"
    assert set(kind.model_fields) <= set(table(heading))


def test_every_rule_is_told_and_no_other() -> None:
    assert table("rule") == [fault.value for fault in TokenFault]


def test_every_actor_is_told() -> None:
    assert table("`actor` | what is sent") == ["agent", "governd", "client", "unsafe_none"]


def test_every_reason_that_is_told_is_one() -> None:
    known = {one.name.removeprefix("ERROR_REASON_") for one in REASONS.values}
    words = set(re.findall(r"`([A-Z]+_[A-Z_]+)`", TEXT))
    assert words - known == set()
    assert words >= {"UPSTREAM_UNKNOWN", "TOKEN_REFUSED", "ISSUER_UNAVAILABLE", "MINT_REFUSED"}
