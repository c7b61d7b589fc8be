"""An explanation says which policies decided, and of the others why they did not apply."""

import pytest

from governd.policy.analysis import ExplainedDecision, Explanation, explain
from governd.policy.decision import DecisionCode
from tests.policies import PERMIT_ALL, READER, TENANTS, WRITER, compiled, question

ON_OPEN = 'principal, action == Action::"tools/call:git/open", resource'


def told(text: str, **asked: object) -> ExplainedDecision:
    return explain(compiled(text), question(**asked), age_seconds=0)  # type: ignore[arg-type]


def of(text: str, **asked: object) -> Explanation:
    """What is told of the one policy ``x``."""
    (found,) = (one for one in told(text, **asked).policies if one.policy.id == "x")
    return found


FIRST_FALSE = {
    "the principal": (
        f'permit (principal == Agent::"{READER}", action, resource);',
        f'principal == Agent::"{READER}"',
    ),
    "the principal's group": (
        'permit (principal in Group::"staff", action, resource);',
        'principal in Group::"staff"',
    ),
    "the principal's type and group": (
        'permit (principal is Agent in Group::"a\\"b", action, resource);',
        'principal is Agent in Group::"a\\"b"',
    ),
    "the resource's type": (
        "permit (principal, action, resource is Prompt);",
        "resource is Prompt",
    ),
    "the action": (
        'permit (principal, action == Action::"tools/list", resource);',
        'action == Action::"tools/list"',
    ),
    "one of several actions": (
        'permit (principal, action in [Action::"list", Action::"prompts/get"], resource);',
        'action in [Action::"list", Action::"prompts/get"]',
    ),
    "a condition": (
        "permit (principal, action, resource) when { context.delegated };",
        "context.delegated",
    ),
    "the second conjunct": (
        (
            "permit (principal, action, resource) "
            "when { !context.args_undeclared && context.delegated && false };"
        ),
        "context.delegated",
    ),
    "the second condition": (
        "permit (principal, action, resource) when { true } when { context.delegated };",
        "context.delegated",
    ),
    "unless": (
        "permit (principal, action, resource) unless { !context.delegated };",
        "unless !(context.delegated)",
    ),
    "the second alternative of unless": (
        "permit (principal, action, resource) unless { context.delegated || true };",
        "unless true",
    ),
    "a whole alternative": (
        (
            "permit (principal, action, resource)"
            " when { context.delegated || context.args_undeclared };"
        ),
        "(context.delegated) || (context.args_undeclared)",
    ),
    "a record": (
        f'permit ({ON_OPEN}) when {{ {{"}}": 1}} == {{"}}": 2}} }};',
        '{"}": 1} == {"}": 2}',
    ),
}


@pytest.mark.parametrize(("text", "part"), FIRST_FALSE.values(), ids=FIRST_FALSE.keys())
def test_the_first_false_part_is_told_as_cedar_text(text: str, part: str) -> None:
    found = of(f'@id("x") {text}')
    assert (found.applied, found.error) == (False, "")
    assert found.first_false.replace(" ", "") == part.replace(" ", "")


def test_a_policy_that_applies_has_no_false_part() -> None:
    found = of(f'@id("x") permit ({ON_OPEN}) when {{ true }} unless {{ context.delegated }};')
    assert (found.applied, found.first_false, found.error) == (True, "", "")


OVERFLOW = (
    f'@id("x") forbid ({ON_OPEN}) when {{ context.args has count && context.args.count + 1 > 0 }};'
)


def test_a_policy_that_fails_is_told_in_the_engines_words() -> None:
    found = of(OVERFLOW, arguments={"count": 2**63 - 1})
    assert (found.applied, found.first_false) == (False, "")
    assert "overflow" in found.error
    assert "part" not in found.error


def test_a_false_part_before_the_failing_one_is_the_reason() -> None:
    """Cedar does not look behind it either."""
    assert of(OVERFLOW, arguments={}).first_false == "(context.args) has count"


def test_candidates_come_in_the_order_of_their_part() -> None:
    text = """
    @id("e-false-condition") permit (principal, action, resource) when { false };
    @id("f-out-of-scope") permit (principal, action, resource is Prompt);
    @id("c-applied") permit (principal, action, resource);
    @id("b-decided") forbid (principal, action, resource);
    """
    names = [one.policy.id for one in told(text).policies if "base" not in one.policy.id]
    assert names == ["b-decided", "c-applied", "e-false-condition", "f-out-of-scope"]


def test_a_failed_policy_comes_first() -> None:
    text = PERMIT_ALL + OVERFLOW
    found = told(text, arguments={"count": 2**63 - 1})
    assert found.decision.code is DecisionCode.ENGINE_ERROR
    assert found.policies[0].policy.id == "x"


def test_what_is_refused_before_any_policy_has_no_candidates() -> None:
    found = told(PERMIT_ALL, resource="tool:git/none")
    assert (found.decision.code, found.policies) == (DecisionCode.UNKNOWN_RESOURCE, ())


def test_undeclared_arguments_are_told() -> None:
    assert told(PERMIT_ALL, arguments={"z": 1}).undeclared == ("z",)


def test_shadow_policies_are_candidates() -> None:
    assert of('@id("x") @mode("shadow") permit (principal, action, resource);').applied


@pytest.mark.req("tenant-1", part=True)
def test_policies_of_other_tenants_are_not_told() -> None:
    extra = {"tenants/acme/policies/x.cedar": PERMIT_ALL}
    policy = compiled(manifest=TENANTS, extra=extra)
    found = explain(policy, question(WRITER), age_seconds=0).policies
    assert all(one.policy.tenant == "" for one in found)
