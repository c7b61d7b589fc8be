"""Cases of policy tests say exactly what differs."""

from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from governd.policy.cases import Case, CaseFile, CaseResult, run_case
from tests.policies import OPEN, WRITER, compiled

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
