"""The examples that the documentation quotes are good, and decide as it says."""

import json
import re
from pathlib import Path

import cedarpy
import pytest

from tests.unit.cli.policy_files import governd_says

DOCS = Path(__file__).parents[3] / "docs"
EXAMPLES, DELEGATION = DOCS / "examples" / "tools", DOCS / "examples" / "delegation"
AGENTS, TOKENS = DOCS / "examples" / "agents", DOCS / "examples" / "tokens"


def section(title: str) -> str:
    text = (DOCS / "policy.md").read_text()
    return text.partition(f"## {title}\n")[2].split("\n## ")[0]


KYA = (DOCS / "kya.md").read_text()
SECTION = section("Typed arguments")
QUOTED = {
    EXAMPLES: re.findall(r"```cedar\n(.*?)```", SECTION, re.DOTALL),
    DELEGATION: re.findall(r"```cedar\n(.*?)```", section("Acting for a user"), re.DOTALL),
    AGENTS: re.findall(
        r"```cedar\n(.*?)```", KYA + section("What a known agent's card says"), re.DOTALL
    ),
    TOKENS: re.findall(r"```cedar\n(.*?)```", section("Tokens for upstreams"), re.DOTALL),
}
LEAST = {EXAMPLES: 8, DELEGATION: 6, AGENTS: 3, TOKENS: 2}


@pytest.mark.req("gi-5", part=True)
@pytest.mark.parametrize("examples", QUOTED, ids=lambda path: path.name)
def test_the_examples_have_nothing_to_look_at(examples: Path) -> None:
    assert "0 errors, 0 warnings" in governd_says("policy", "lint", examples, "--strict").stdout


@pytest.mark.req("gi-5", part=True)
def test_every_attack_on_the_examples_gets_the_decision_it_deserves() -> None:
    said = json.loads(governd_says("policy", "test", EXAMPLES, "--json").stdout)
    assert said["failed"] == 0
    cases = {case["name"]: case["decision"] for file in said["files"] for case in file["cases"]}
    assert {"traversal", "our host as userinfo", "a negative refund is a charge"} <= cases.keys()
    assert set(cases.values()) == {"allow", "deny"}


@pytest.mark.req("gi-3", part=True)
def test_every_delegation_of_the_examples_gets_the_decision_it_deserves() -> None:
    said = json.loads(governd_says("policy", "test", DELEGATION, "--json").stdout)
    assert said["failed"] == 0
    cases = {case["name"]: case["decision"] for file in said["files"] for case in file["cases"]}
    assert {"for Alice it exports", "a token that names nothing is for nothing"} <= cases.keys()
    assert set(cases.values()) == {"allow", "deny"}


@pytest.mark.req("gi-6", part=True)
def test_an_agent_that_nobody_vouches_for_destroys_nothing() -> None:
    said = json.loads(governd_says("policy", "test", AGENTS, "--json").stdout)
    assert said["failed"] == 0
    cases = {case["name"]: case["decision"] for file in said["files"] for case in file["cases"]}
    assert cases["one that its provider signed is"] == "allow"
    assert cases["a card that nobody signed is not enough"] == "deny"
    assert cases["an agent of Example Corp whose signed card has the skill refunds"] == "allow"
    assert cases["one that only says so itself does not"] == "deny"


@pytest.mark.parametrize("examples", QUOTED, ids=lambda path: path.name)
def test_the_documentation_quotes_what_is_tested(examples: Path) -> None:
    policies = [file.read_text() for file in (examples / "policies").glob("*.cedar")]
    assert len(QUOTED[examples]) >= LEAST[examples]
    for block in QUOTED[examples]:
        assert any(block in text for text in policies), block


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
