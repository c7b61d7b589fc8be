"""What numbers do to a decision about a tool: they are judged exactly, or not permitted."""

import pytest

from governd.errors import ArgumentsError
from governd.policy.compiler import CompiledPolicy
from governd.policy.decision import DecisionCode
from tests.policies import ask, compiled, server_file

REFUND = {
    "name": "refund",
    "inputSchema": {
        "type": "object",
        "properties": {
            "amount": {"type": "number"},
            "count": {"type": "integer"},
            "lines": {"type": "array", "items": {"$ref": "#/$defs/line"}},
        },
        "required": ["amount"],
        "$defs": {"line": {"type": "object", "properties": {"amount": {"type": "number"}}}},
    },
    "annotations": {"destructiveHint": False},
}
POLICIES = """
@id("permit") permit (principal, action == Action::"tools/call:git/refund", resource);
@id("below-500") forbid (principal, action == Action::"tools/call:git/refund", resource)
unless { context.args.amount.lessThan(decimal("500.0")) };
@id("not-negative") forbid (principal, action == Action::"tools/call:git/refund", resource)
when { context.args.amount.lessThan(decimal("0.0")) };
@id("few") forbid (principal, action == Action::"tools/call:git/refund", resource)
when { context.args has count && context.args.count > 9 };
"""


@pytest.fixture(scope="module")
def policy() -> CompiledPolicy:
    """Permits refunds below 500, of at most 9 pieces."""
    return compiled(POLICIES, extra={"tools/git.json": server_file(tools=[REFUND])})


NO_NUMBERS = {
    "NaN": "NaN, which is not a number",
    "Infinity": "Infinity, which is not a number",
    "-Infinity": "-Infinity, which is not a number",
    "1e400": "out of range",
    "-1e400": "out of range",
    "1e-400": "more than 4 fraction digits",
    "1e99999999999999999999": "out of range",
    "9223372036854775808": "beyond 64 bits",
    "-9223372036854775809": "beyond 64 bits",
    "0.00001": "more than 4 fraction digits",
    "499.99999": "more than 4 fraction digits",
    "500.00000": "more than 4 fraction digits",
}


@pytest.mark.req("gi-5", part=True)
@pytest.mark.parametrize("place", ['{"amount":%s}', '{"amount":1,"lines":[{"amount":%s}]}'])
@pytest.mark.parametrize(("number", "said"), NO_NUMBERS.items(), ids=NO_NUMBERS.keys())
def test_nan_and_overflow_in_arguments_get_no_decision(
    number: str, said: str, place: str, policy: CompiledPolicy
) -> None:
    with pytest.raises(ArgumentsError) as refusal:
        ask(policy, resource="tool:git/refund", arguments=place % number)
    assert said in str(refusal.value)
    assert refusal.value.field.startswith("context.arguments_json")


DECIDED: dict[str, tuple[str, DecisionCode, tuple[str, ...]]] = {
    "a small amount": ('"amount":1', DecisionCode.PERMITTED, ("permit",)),
    "zero": ('"amount":0', DecisionCode.PERMITTED, ("permit",)),
    "minus zero is zero": ('"amount":-0.0', DecisionCode.PERMITTED, ("permit",)),
    "just below": ('"amount":499.9999', DecisionCode.PERMITTED, ("permit",)),
    "the limit": ('"amount":500', DecisionCode.FORBIDDEN, ("below-500",)),
    "the limit by exponent": ('"amount":5e2', DecisionCode.FORBIDDEN, ("below-500",)),
    "just above": ('"amount":500.0001', DecisionCode.FORBIDDEN, ("below-500",)),
    "a negative amount": ('"amount":-0.0001', DecisionCode.FORBIDDEN, ("not-negative",)),
    "the largest decimal": (
        '"amount":922337203685477.5807',
        DecisionCode.FORBIDDEN,
        ("below-500",),
    ),
    "beyond the largest decimal": (
        '"amount":922337203685477.5808',
        DecisionCode.ARGUMENTS_MISMATCH,
        (),
    ),
    "2^63 - 1 for a decimal": (
        '"amount":9223372036854775807',
        DecisionCode.ARGUMENTS_MISMATCH,
        (),
    ),
    "a string for a number": ('"amount":"1"', DecisionCode.ARGUMENTS_MISMATCH, ()),
    "true for 1": ('"amount":true', DecisionCode.ARGUMENTS_MISMATCH, ()),
    "a list for a number": ('"amount":[1]', DecisionCode.ARGUMENTS_MISMATCH, ()),
    "an object for a number": ('"amount":{}', DecisionCode.ARGUMENTS_MISMATCH, ()),
    "null for a required number": ('"amount":null', DecisionCode.ARGUMENTS_MISMATCH, ()),
    "a name in other letters": ('"Amount":1', DecisionCode.ARGUMENTS_MISMATCH, ()),
    "1.0 for an integer": ('"amount":1,"count":1.0', DecisionCode.PERMITTED, ("permit",)),
    "10.0 for an integer": ('"amount":1,"count":10.0', DecisionCode.FORBIDDEN, ("few",)),
    "1e1 for an integer": ('"amount":1,"count":1e1', DecisionCode.FORBIDDEN, ("few",)),
    "1.5 for an integer": ('"amount":1,"count":1.5', DecisionCode.ARGUMENTS_MISMATCH, ()),
    "true for an integer": ('"amount":1,"count":true', DecisionCode.ARGUMENTS_MISMATCH, ()),
    "a string for an integer": ('"amount":1,"count":"1"', DecisionCode.ARGUMENTS_MISMATCH, ()),
    "a negative integer": ('"amount":1,"count":-5', DecisionCode.PERMITTED, ("permit",)),
    "2^63 by exponent for an integer": (
        '"amount":1,"count":9.3e18',
        DecisionCode.ARGUMENTS_MISMATCH,
        (),
    ),
    "a string behind a reference": (
        '"amount":1,"lines":[{"amount":"1"}]',
        DecisionCode.ARGUMENTS_MISMATCH,
        (),
    ),
}


@pytest.mark.req("gi-5", part=True)
@pytest.mark.parametrize(("members", "code", "reasons"), DECIDED.values(), ids=DECIDED.keys())
def test_a_number_is_judged_exactly_or_not_permitted(
    members: str, code: DecisionCode, reasons: tuple[str, ...], policy: CompiledPolicy
) -> None:
    decision = ask(policy, resource="tool:git/refund", arguments="{" + members + "}")
    assert (decision.code, decision.reasons) == (code, reasons)


def test_no_arguments_at_all_lack_the_required_one(policy: CompiledPolicy) -> None:
    decision = ask(policy, resource="tool:git/refund")
    assert decision.code is DecisionCode.ARGUMENTS_MISMATCH


def test_a_policy_that_looks_at_all_arguments_sees_all_of_them_each_time() -> None:
    condition = "(if context.delegated then context.args else context.args) has count"
    policy = compiled(
        '@id("whole") permit (principal, action == Action::"tools/call:git/open", resource)'
        f" when {{ {condition} }};"
    )
    for _ in range(2):
        assert ask(policy, arguments={"count": 1, "flag": True}).reasons == ("whole",)
        assert not ask(policy, arguments={"flag": True}).allowed
