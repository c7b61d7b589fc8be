"""Cases of policy tests say exactly what differs."""

from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from governd.policy.cases import Case, CaseFile, CaseResult, run_case
from governd.policy.delegated import Circumstances, DelegatedTools
from governd.policy.known_card import KnownCard
from tests.policies import ALICE, OPEN, PERMIT_ALL, READER, SERVER, WRITER, acting, compiled
from tests.upstreams import UPSTREAMS

POLICY = compiled(
    '@id("b") @max_staleness("30s") @obligation("notify") permit (principal, action, resource);'
    '@id("a") @max_staleness("30s") permit (principal, action, resource);'
)


def run(**parts: Any) -> CaseResult:
    given = {
        "name": "n",
        "subject": WRITER,
        "action": "tools/call",
        "resource": OPEN,
        "want": "allow",
    }
    return run_case(POLICY, Case.model_validate({**given, **parts}))


def wanted(**parts: Any) -> tuple[str, ...]:
    return run(want={"decision": "allow", **parts}).failures


def test_a_case_as_wanted_has_no_failure() -> None:
    result = run(arguments={"text": "x"})
    assert (result.name, result.failures) == ("n", ())
    assert result.decision
    assert result.decision.allowed


def test_each_difference_is_told() -> None:
    assert run(want="deny").failures == ("decision: wanted deny, got allow",)
    assert wanted(code="FORBIDDEN") == ("code: wanted FORBIDDEN, got PERMITTED",)
    assert wanted(reasons=["a"]) == ("reasons: wanted a, got a, b",)
    assert wanted(obligations=[]) == ("obligations: wanted none, got notify",)


def test_reasons_are_compared_whole_and_without_order() -> None:
    assert wanted(reasons=["b", "a"], obligations=["notify"], code="PERMITTED") == ()


STATED: dict[str, Any] = {
    "user": ALICE,
    "actors": [WRITER, READER],
    "evidence": ["acting_as"],
    "scopes": ["tools:call:git/open"],
    "details": [{"actions": ["call"], "locations": [SERVER], "tools": ["open"]}],
    "binding": 2,
    "kya_level": 1,
    "expires": "2026-01-01T12:00:00Z",
}


def test_a_delegation_can_be_stated() -> None:
    case = Case.model_validate(
        {
            "name": "n",
            "subject": WRITER,
            "action": "tools/call",
            "resource": OPEN,
            "delegation": STATED,
            "kya_level": 2,
            "want": "allow",
        }
    )
    tools = DelegatedTools(frozenset({"call"}), frozenset({SERVER}), frozenset({"open"}))
    assert case.question(POLICY.manifest).circumstances == acting(
        ALICE,
        *(WRITER, READER),
        own_level=2,
        evidence=["acting_as"],
        scopes=["tools:call:git/open"],
        details=(tools,),
        binding=2,
        kya_level=1,
    )
    assert run_case(POLICY, case).decision


def test_a_stated_delegation_is_as_good_as_its_parts() -> None:
    assert run(delegation={"user": ALICE}).failures == ()
    wide = {**STATED, "details": [], "scopes": ["tools:call:git/read"]}
    want = {"decision": "deny", "reasons": ["base/delegation-in-scope"]}
    assert run(delegation=wide, want=want).failures == ()


CARD = {"name": "clerk", "provider": "Acme", "skills": ["b", "a"], "card_version": "2"}


def test_what_the_subjects_card_says_can_be_stated() -> None:
    given: dict[str, Any] = {"action": "tools/call", "resource": OPEN, "want": "allow"}
    case = Case.model_validate(
        {"name": "n", "subject": WRITER, **given, "kya_level": 1, "kya": CARD}
    )
    card = KnownCard("clerk", "Acme", frozenset({"a", "b"}), "2")
    assert case.question(POLICY.manifest).circumstances == Circumstances(1, kya=card)
    assert run_case(POLICY, case).failures == ()


@pytest.mark.parametrize(
    "parts",
    [{"kya": CARD}, {"kya_level": 0, "kya": {}}, {"kya_level": 1, "kya": {"version": "2"}}],
)
def test_a_card_that_nothing_is_known_of_or_that_is_misspelt_is_refused(
    parts: dict[str, Any],
) -> None:
    with pytest.raises(ValidationError):
        run(**parts)


def test_what_an_access_token_grants_can_be_stated() -> None:
    stated = {"user": ALICE, "evidence": ["access_token"], "scopes": ["write"]}
    mint: dict[str, Any] = {"action": "delegation/mint", "resource": f"agent:{SERVER}"}
    assert run(**mint, delegation=stated).failures == (), "its scopes, unless stated"
    want = {"decision": "deny", "reasons": ["base/delegation-in-scope"]}
    for granted in ([], ["read"]):
        assert run(**mint, delegation={**stated, "granted": granted}, want=want).failures == ()


@pytest.mark.parametrize(
    "parts",
    [
        *({"user": "alice"}, {"user": ALICE, "actors": ["me"]}),
        *({"user": ALICE, "actors": [READER, WRITER]}, {"user": ALICE, "evidence": []}),
        {"user": ALICE, "binding": 9},
    ],
)
def test_a_delegation_that_there_cannot_be_is_a_failure(parts: dict[str, Any]) -> None:
    result = run(delegation=parts)
    assert result.decision is None
    assert len(result.failures) == 1


@pytest.mark.parametrize(
    "parts", [{}, {"user": ALICE, "who": 1}, {"user": ALICE, "expires": "2026-01-01T12:00:00"}]
)
def test_a_misspelt_delegation_is_refused(parts: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        run(delegation=parts)


def test_the_age_of_the_policy_is_given() -> None:
    assert run(age_seconds=31, want={"decision": "deny", "code": "POLICY_STALE"}).failures == ()


ASKED_WRONGLY: dict[str, dict[str, Any]] = {
    "a subject that is no SPIFFE ID": {"subject": "writer"},
    "a resource without a type": {"resource": "git"},
    "no action": {"action": ""},
    "a reserved argument": {"arguments": {"__entity": 1}},
    "not a number": {"arguments": {"a": float("nan")}},
    "a date": {"arguments": {"a": date(2026, 1, 1)}},
    "bytes": {"arguments": {"a": b"x"}},
    "one key in two types": {"arguments": {"a": {1: 1, "1": 2}}},
}


@pytest.mark.parametrize("parts", ASKED_WRONGLY.values(), ids=ASKED_WRONGLY.keys())
def test_a_question_that_cannot_be_asked_is_a_failure(parts: dict[str, Any]) -> None:
    result = run(**parts)
    assert result.decision is None
    assert len(result.failures) == 1


def test_arguments_that_contain_themselves_are_a_failure() -> None:
    circle: dict[str, Any] = {}
    circle["a"] = circle
    case = Case.model_construct(
        name="n", subject=WRITER, action="tools/call", resource=OPEN, arguments=circle, want="allow"
    )
    assert run_case(POLICY, case).failures[0].startswith("arguments: cannot be said in JSON")


@pytest.mark.parametrize(
    "parts",
    [{"want": "permit"}, {"want": {"decision": "allow", "reason": []}}, {"name": ""}, {"x": 1}],
)
def test_a_misspelt_case_is_refused(parts: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        run(**parts)


def test_a_file_without_cases_tests_nothing_and_is_refused() -> None:
    with pytest.raises(ValidationError):
        CaseFile.model_validate({"cases": []})


UPSTREAM = compiled(PERMIT_ALL, manifest=UPSTREAMS)


def run_token(token: object, **parts: Any) -> CaseResult:
    given = {"name": "n", "subject": WRITER, "action": "token/exchange", "want": "allow"}
    case = {**given, "token": token, "delegation": {"user": ALICE}, **parts}
    return run_case(UPSTREAM, Case.model_validate(case))


def test_a_token_is_asked_for_by_its_upstream() -> None:
    assert run_token({"upstream": "crm", "scopes": ["read"]}).failures == ()
    assert run_token({"upstream": "crm-own"}, delegation=None).failures == ()
    denied = {"decision": "deny", "reasons": ["base/token-needs-its-user"]}
    assert run_token({"upstream": "crm"}, delegation=None, want=denied).failures == ()


@pytest.mark.parametrize(
    ("token", "failure"),
    [
        ({"upstream": "x"}, "upstream: the policy source has none called 'x'"),
        (
            {"upstream": "crm", "scopes": ["admin"]},
            "token.scopes: the policy source has other scopes for crm",
        ),
    ],
)
def test_a_token_that_there_cannot_be_is_a_failure(token: dict[str, Any], failure: str) -> None:
    assert run_token(token).failures == (failure,)


@pytest.mark.parametrize(
    ("token", "parts"),
    [
        ({"upstream": "crm"}, {"action": "http/request"}),
        ({"upstream": "crm"}, {"resource": "external_service:https://crm.example/mcp"}),
        (None, {}),
        ({"scopes": []}, {}),
        ({"upstream": "crm", "audience": "x"}, {}),
        ("crm", {}),
    ],
)
def test_a_case_is_about_one_thing(token: object, parts: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        run_token(token, **parts)
