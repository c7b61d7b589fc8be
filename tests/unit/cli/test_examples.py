"""The examples that the documentation quotes are good, and decide as it says."""

import json
import re
from pathlib import Path

import cedarpy
import pytest

from tests.unit.cli.policy_files import governd_says

DOCS = Path(__file__).parents[3] / "docs"
EXAMPLES = DOCS / "examples" / "tools"
POLICIES = [file.read_text() for file in (EXAMPLES / "policies").glob("*.cedar")]
SECTION = (DOCS / "policy.md").read_text().partition("## Typed arguments\n")[2].split("\n## ")[0]
QUOTED = re.findall(r"```cedar\n(.*?)```", SECTION, re.DOTALL)


@pytest.mark.req("gi-5", part=True)
def test_the_examples_have_nothing_to_look_at() -> None:
    assert "0 errors, 0 warnings" in governd_says("policy", "lint", EXAMPLES, "--strict").stdout


@pytest.mark.req("gi-5", part=True)
def test_every_attack_on_the_examples_gets_the_decision_it_deserves() -> None:
    said = json.loads(governd_says("policy", "test", EXAMPLES, "--json").stdout)
    assert said["failed"] == 0
    cases = {case["name"]: case["decision"] for file in said["files"] for case in file["cases"]}
    assert {"traversal", "our host as userinfo", "a negative refund is a charge"} <= cases.keys()
    assert set(cases.values()) == {"allow", "deny"}


def test_the_documentation_quotes_what_is_tested() -> None:
    assert len(QUOTED) >= 8
    for block in QUOTED:
        assert any(block in text for text in POLICIES), block


TRAPS = [
    (pattern, url)
    for pattern, urls in re.findall(r"^\| `(\S+\*)` \| (.*) \|$", SECTION, re.MULTILINE)
    for url in re.findall(r"`([^`]+)`", urls)
]


def test_there_are_traps() -> None:
    assert len(TRAPS) >= 8


@pytest.mark.parametrize(("pattern", "url"), TRAPS)
def test_a_pattern_that_the_documentation_warns_of_does_allow_what_it_says(
    pattern: str, url: str
) -> None:
    policy = f'permit (principal, action, resource) when {{ context.url like "{pattern}" }};'
    names = ("principal", "action", "resource")
    request = {**dict.fromkeys(names, 'A::"a"'), "context": {"url": url}}
    assert cedarpy.is_authorized(request, policy, []).allowed
