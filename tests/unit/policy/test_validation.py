"""A policy that does not fit the schema is refused in words that help."""

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from governd.errors import PolicyError
from governd.policy import validation
from governd.policy.alike import AlikeTools
from governd.policy.argument_types import Record, Scalar
from governd.policy.tools import Hints, Tool
from tests.policies import compiled, server_file

NAMES = {
    "a misspelt tool": (
        'forbid (principal, action == Action::"tools/call:git/raed", resource);',
        'names Action::"tools/call:git/raed", which nothing declares; is it git/read?',
    ),
    "a misspelt tool in a list": (
        (
            'forbid (principal, action in [Action::"tools/call:git/read",'
            ' Action::"tools/call:git/raed"], resource);'
        ),
        'names Action::"tools/call:git/raed", which nothing declares; is it git/read?',
    ),
    "a misspelt tool in a condition": (
        'forbid (principal, action, resource) when { action == Action::"tools/call:git/raed" };',
        'names Action::"tools/call:git/raed", which nothing declares; is it git/read?',
    ),
    "a misspelt group of actions": (
        'forbid (principal, action in Action::"tools/cal", resource);',
        'names Action::"tools/cal", which nothing declares; is it tools/call?',
    ),
    "a tool like no other": (
        'forbid (principal, action == Action::"tools/call:mail/send-it", resource);',
        'names Action::"tools/call:mail/send-it", which nothing declares',
    ),
    "an action like no other": (
        'forbid (principal, action == Action::"x", resource);',
        'names Action::"x", which nothing declares',
    ),
    "a tool that only its server can declare": (
        'forbid (principal, action == Action::"tools/call:late/x", resource);',
        (
            'names Action::"tools/call:late/x", which nothing declares;'
            ' late registers its tools itself: say resource == Tool::"late/x"'
        ),
    ),
}


@pytest.mark.req("gi-5", part=True)
@pytest.mark.parametrize(("policy", "wanted"), NAMES.values(), ids=NAMES.keys())
def test_an_action_that_nothing_declares_is_named(policy: str, wanted: str) -> None:
    late = server_file("late", "spiffe://example.org/mcp/late", tools=[])
    with pytest.raises(PolicyError) as refusal:
        compiled(f'\n@id("x") {policy}', extra={"tools/late.json": late})
    assert [str(one) for one in refusal.value.problems] == [
        f"policies/test.cedar:2: policy: {wanted}"
    ]


def test_every_policy_that_misspells_the_same_action_is_named() -> None:
    misspelt = 'permit (principal, action == Action::"tools/call:git/raed", resource);'
    with pytest.raises(PolicyError) as error:
        compiled(f'@id("a") {misspelt}\n@id("b") {misspelt}')
    problems = error.value.problems
    assert [one.line for one in problems] == [1, 2]
    assert len({one.message for one in problems}) == 1


def test_what_else_does_not_fit_is_told_in_cedars_words() -> None:
    text = 'forbid (principal, action == Action::"tools/call:git/read", resource)'
    with pytest.raises(PolicyError) as refusal:
        compiled(text + " when { context.args.txet == 1 };")
    assert "attribute `args.txet` in context" in str(refusal.value)


def tool(name: str, *fields: str, required: str = "") -> Tool:
    """A tool with such arguments: ``text:String``."""
    types = dict(one.split(":") for one in fields)
    record = Record({key: Scalar(kind) for key, kind in types.items()}, frozenset(required))
    return Tool(f"s/{name}", name, "s", (), Hints(), record)


def test_tools_are_told_apart_by_what_a_policy_looks_at_and_nothing_else() -> None:
    tools = [
        tool("none"),
        tool("other", "o:Bool"),
        tool("text", "a:String"),
        tool("text too", "a:String", "o:Bool"),
        tool("number", "a:Long", "b:Long"),
        tool("must", "a:Long", required="a"),
    ]
    alike = AlikeTools(tools)
    for names, kinds in (
        ("", [set("012345")]),
        ("x", [set("012345")]),
        ("a", [{"0", "1"}, {"2", "3"}, {"4"}, {"5"}]),
        ("ao", [{"0"}, {"1"}, {"2"}, {"3"}, {"4"}, {"5"}]),
        ("a", [{"0", "1"}, {"2", "3"}, {"4"}, {"5"}]),
    ):
        found = [one.action for one in tools if one.action in alike.one_of_each(frozenset(names))]
        numbers = {str([one.action for one in tools].index(action)) for action in found}
        assert len(numbers) == len(kinds)
        assert all(len(numbers & kind) == 1 for kind in kinds)


KINDS = [
    {"type": "string"},
    {"type": "integer"},
    {"type": "object", "properties": {"c": {"type": "integer"}}},
]
TOOLS = [
    {
        "name": f"t{number}",
        "inputSchema": {
            "type": "object",
            "properties": {"a": first} | ({"b": second} if second else {}),
            "required": ["a"] if number % 2 else [],
        },
    }
    for number, (first, second) in enumerate(itertools.product(KINDS, [*KINDS, None]))
]
SCOPES = [
    "action",
    'action in Action::"tools/call"',
    'action in Action::"list"',
    'action == Action::"tools/call:git/t3"',
    'action in [Action::"tools/call:git/t1", Action::"tools/call:git/t2"]',
    'action in [Action::"tools/call:git/t1", Action::"tools/list"]',
]
CONDITIONS = [
    "context has args",
    "context.args has a",
    "context.args.a == 1",
    'context.args.a like "x"',
    "context.args has b",
    "context.args.b > 1",
    "context.args has a.c",
    "context.args.a.c > 1",
    "context.args == {a: 1}",
    "context.args has nope",
    "context.delegated",
    "principal.nope",
    "resource.destructive",
    'action == Action::"tools/call:git/t0"',
    'action == Action::"tools/call:git/t4"',
    'action in Action::"list"',
]
TERMS = st.sampled_from(CONDITIONS) | st.sampled_from(CONDITIONS).map("!({})".format)


@given(
    st.lists(
        st.tuples(st.sampled_from(SCOPES), st.lists(TERMS, min_size=1, max_size=4)), max_size=5
    )
)
@example([(SCOPES[1], ['!(action == Action::"tools/call:git/t0")', "principal.nope"])])
@example([(SCOPES[0], ["context has args", "context.args has b", "context.args.b > 1"])])
def test_checking_against_a_few_tools_finds_what_checking_against_all_finds(
    policies: Sequence[tuple[str, Sequence[str]]],
) -> None:
    text = "\n".join(
        f'@id("p{number}") permit (principal, {scope}, resource) when {{ {" && ".join(terms)} }};'
        for number, (scope, terms) in enumerate(policies)
    )
    assert mistakes(text, at_once=1) == mistakes(text, at_once=1000)


def mistakes(text: str, at_once: int) -> list[str]:
    """What is wrong with policies about some tools."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(validation, "TOOLS_AT_ONCE", at_once)
        try:
            compiled(text, extra={"tools/git.json": server_file(tools=TOOLS)})
        except PolicyError as error:
            return [str(one) for one in error.problems]
    return []
