"""A denial of what lists hide says so, and looks like that of something that is not there."""

import pytest

from governd.policy.decision import Decision, DecisionCode
from governd.policy.engine import judge
from governd.policy.entities import Uid
from governd.policy.offered import Offered
from tests.policies import PERMIT_ALL, READER, WRITER, ask, compiled, question

pytestmark = pytest.mark.req("gi-5")

Code = DecisionCode
OPEN = 'principal, action == Action::"tools/call:git/open", resource'
READ = 'principal, action == Action::"tools/call:git/read", resource'
GRANTS = f'[[grant]]\nagents = ["{READER}"]\ncapabilities = ["git:read"]\n'


def forbid(condition: str, marks: str = "") -> str:
    return f'@id("no") {marks} forbid ({OPEN}) when {{ {condition} }};'


@pytest.mark.parametrize(
    ("action", "resource", "code"),
    [
        ("tools/call", "tool:git/open", Code.NOT_PERMITTED),
        ("tools/call", "tool:git/reset", Code.FORBIDDEN),
        ("tools/call", "tool:git/nobody", Code.UNKNOWN_RESOURCE),
        ("resources/read", "resource:git/file:///a", Code.NOT_PERMITTED),
        ("resources/read", "resource:gti/file:///a", Code.UNKNOWN_RESOURCE),
        ("resources/read", "prompt:git/hello", Code.UNKNOWN_RESOURCE),
        ("prompts/get", "prompt:git/hello", Code.NOT_PERMITTED),
    ],
)
def test_what_no_call_could_reach_is_hidden(action: str, resource: str, code: Code) -> None:
    decision = ask(compiled(), WRITER, action, resource)
    assert (decision.code, decision.hidden) == (code, True)


def test_what_does_not_fit_its_action_is_hidden_even_if_all_is_permitted() -> None:
    decision = ask(compiled(PERMIT_ALL), WRITER, "resources/read", "prompt:git/hello")
    assert (decision.code, decision.hidden) == (Code.UNKNOWN_RESOURCE, True)


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("tools/list", "mcp_server:git"),
        ("tools/list", "mcp_server:gti"),
        ("agent/invoke", f"agent:{READER}"),
        ("http/request", "external_service:api.example"),
        ("tools/cal", "tool:git/open"),
    ],
)
def test_a_denial_about_what_no_list_has_is_not_hidden(action: str, resource: str) -> None:
    decision = ask(compiled(), WRITER, action, resource)
    assert (decision.allowed, decision.hidden) == (False, False)


def test_a_permit_is_never_hidden() -> None:
    assert not ask(compiled(PERMIT_ALL)).hidden


def test_a_tool_that_other_arguments_reach_is_not_hidden() -> None:
    policy = compiled(PERMIT_ALL + forbid('context.args has text && context.args.text == "a"'))
    decision = ask(policy, arguments={"text": "a"})
    assert decision == Decision(Code.FORBIDDEN, ("no",))
    overflow = forbid("context.args has count && context.args.count + 1 > 0")
    failed = ask(compiled(PERMIT_ALL + overflow), arguments={"count": 2**63 - 1})
    assert failed == Decision(Code.ENGINE_ERROR, ("no",))


@pytest.mark.parametrize(("subject", "hidden"), [(READER, False), (WRITER, True)])
def test_arguments_of_another_type_tell_nothing_of_a_hidden_tool(
    subject: str, hidden: bool
) -> None:
    policy = compiled(grants=GRANTS)
    for arguments in ({"text": 1}, {}):
        decision = ask(policy, subject, resource="tool:git/read", arguments=arguments)
        assert decision == Decision(Code.ARGUMENTS_MISMATCH, hidden=hidden)


def test_arguments_of_another_type_tell_nothing_of_a_tool_that_has_grown_stale() -> None:
    policy = compiled(f'@max_staleness("30s") permit ({READ});')
    asked = question(resource="tool:git/read", arguments={"text": 1})
    for age, hidden in ((30.0, False), (31.0, True)):
        verdict = judge(policy, asked, age_seconds=age)
        assert verdict.decision == Decision(Code.ARGUMENTS_MISMATCH, hidden=hidden)
        assert verdict.holds(age)
        assert not verdict.holds(61 - age)


def test_what_is_quarantined_is_hidden() -> None:
    offered = Offered(quarantined=frozenset({Uid("Tool", "git/open")}))
    policy = compiled(PERMIT_ALL).offering(offered)
    assert ask(policy) == Decision(Code.QUARANTINED, hidden=True)


def test_a_denial_is_hidden_from_the_age_on_at_which_no_permit_counts() -> None:
    text = f'@id("p") @max_staleness("30s") permit ({OPEN}) when {{ context.args has text }};'
    policy = compiled(text)
    for _ in range(2):
        for age, hidden in ((30.0, False), (31.0, True), (0.0, False)):
            assert ask(policy, arguments={}, age=age) == Decision(Code.NOT_PERMITTED, hidden=hidden)
    stale = ask(policy, arguments={"text": "x"}, age=31.0)
    assert stale == Decision(Code.POLICY_STALE, ("p",), hidden=True)


EXPLICIT = "@explicit_denial"


def test_a_forbid_may_say_that_its_denial_is_explicit() -> None:
    assert ask(compiled(PERMIT_ALL + forbid("true"))).hidden
    policy = compiled(PERMIT_ALL + forbid("true", EXPLICIT))
    assert ask(policy) == Decision(Code.FORBIDDEN, ("no",))


@pytest.mark.parametrize(
    "other",
    [
        forbid("false", EXPLICIT) + f'@id("b") forbid ({OPEN});',
        forbid("true", f'{EXPLICIT} @mode("shadow")') + f'@id("b") forbid ({OPEN});',
        forbid("1 + 9223372036854775807 > 0", EXPLICIT),
        forbid("false", EXPLICIT),
    ],
    ids=["does not apply", "is in shadow", "fails", "permits nothing"],
)
def test_only_a_forbid_that_determines_the_denial_makes_it_explicit(other: str) -> None:
    assert ask(compiled(other)).hidden


def test_one_explicit_forbid_of_several_is_enough() -> None:
    policy = compiled(forbid("true", EXPLICIT) + f'@id("b") forbid ({OPEN});')
    assert ask(policy) == Decision(Code.FORBIDDEN, ("b", "no"))
