"""A policy is compiled whole, against its types, or not at all."""

from typing import Any

import pytest

from governd.errors import PolicyError
from governd.policy import validation
from governd.policy.compiler import compile_policy
from governd.policy.source import read_source
from tests.policies import (
    MANIFEST,
    PERMIT_ALL,
    TENANTS,
    WRITER,
    ask,
    base,
    compiled,
    read,
    schema_text,
    server_file,
)


def problems(policies: str = "", **parts: Any) -> list[str]:
    with pytest.raises(PolicyError) as error:
        compiled(policies, **parts)
    return [str(problem) for problem in error.value.problems]


WRONG_TYPES = {
    "an unknown attribute": "principal.clearance == 1",
    "an argument of another type": 'context.args.count == "1"',
    "an optional argument without has": "context.args.count == 1",
    "an unknown argument": "context.args.colour == 1",
    "an unknown tool": 'action == Action::"tools/call:git/opne"',
    "an unknown type": 'principal == Robot::"x"',
}


@pytest.mark.parametrize("condition", WRONG_TYPES.values(), ids=WRONG_TYPES.keys())
def test_types_that_do_not_fit_are_refused_with_file_and_line(condition: str) -> None:
    text = (
        f'{PERMIT_ALL}\n@id("x")\nforbid (principal is Agent, '
        f'action == Action::"tools/call:git/open", resource) when {{ {condition} }};'
    )
    found = problems(text)
    assert {problem.partition(": ")[0] for problem in found} == {"policies/test.cedar:2"}
    assert not any("policy `" in problem for problem in found)


def test_every_policy_of_the_wrong_type_is_named() -> None:
    bad = "permit (principal, action, resource) when { principal.nothing };"
    found = problems(f"{bad}\n{PERMIT_ALL}\n{bad}")
    assert [problem.partition(": ")[0] for problem in found] == [
        "policies/test.cedar:1",
        "policies/test.cedar:3",
    ]


SCHEMAS = {
    "text that is no schema": "entity",
    "a type of governd's stated anew": "entity Agent;",
    "an action of governd's stated anew": 'action "tools/list";',
    "an unknown type": "action x appliesTo { principal: [Robot], resource: [Agent] };",
}


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS.keys())
def test_a_schema_that_does_not_extend_governds_is_refused(schema: str) -> None:
    assert problems(schema=schema)[0].startswith("schema.cedarschema: schema: ")


def test_an_empty_extension_is_none() -> None:
    assert compiled(schema=" \n").types == compiled().types


@pytest.mark.parametrize("name", ["__cedar", "a::b", "__entity", "", "\0", '"}; permit', "\u202e"])
def test_an_argument_s_name_is_never_read_as_cedar(name: str) -> None:
    schema = {"type": "object", "properties": {name: {"type": "string"}}}
    tools = [{"name": "t", "inputSchema": schema}]
    assert compiled(extra={"tools/git.json": server_file(tools=tools)}).tool("git/t")


def test_an_entity_that_does_not_fit_is_named() -> None:
    fine = {"uid": {"type": "Group", "id": "fine"}}
    entities = [fine, {"uid": {"type": "Group", "id": "bad"}, "attrs": {"size": 1}}]
    entities += [{"uid": {"type": "Robot", "id": "r2"}}, fine | {"tags": {"a": 1}}]
    found = problems(entities=entities)
    assert [
        problem.partition(": ")[2].partition(": ")[2].partition(": ")[0] for problem in found
    ] == [
        'Group::"bad"',
        'Robot::"r2"',
        'Group::"fine"',
    ]


def test_entities_that_only_together_do_not_fit_are_refused() -> None:
    names = ["a", "b"]
    circle = [
        {"uid": {"type": "Group", "id": one}, "parents": [{"type": "Group", "id": other}]}
        for one, other in zip(names, reversed(names), strict=True)
    ]
    (problem,) = problems(entities=circle)
    assert problem.startswith("entities.json: entities: ")


def test_an_entity_is_stated_once() -> None:
    entity = '[{"uid": {"type": "Agent", "id": "spiffe://example.org/ns/acme/sa/x"}}]'
    extra = {"entities.json": entity, "tenants/acme/entities.json": entity}
    assert problems(manifest=TENANTS, extra=extra) == [
        'tenants/acme/entities.json: Agent::"spiffe://example.org/ns/acme/sa/x" is stated twice'
    ]


def test_actions_that_can_be_asked_about_leave_tools_out() -> None:
    policy = compiled(
        schema='entity A; action "tools/callback" appliesTo { principal: [Agent], resource: [A] };'
    )
    assert {"tools/list", "tools/callback"} <= policy.actions
    assert not {"tools/call", "tools/call:git/open"} & policy.actions


def test_types_are_those_of_governd_and_of_the_extension() -> None:
    types = compiled(schema='entity A, B; entity C enum ["a"];').types
    assert {"Agent", "Tool", "A", "B", "C"} <= types


def test_a_tool_is_found_by_its_exact_name() -> None:
    policy = compiled()
    found = policy.tool("git/open")
    assert found
    assert found.id == "git/open"
    for name in ("git", "git/", "git/Open", "git/open ", "git//open", "Git/open", "", "/open"):
        assert policy.tool(name) is None


def test_the_longest_policy_that_is_read_also_compiles() -> None:
    """What reading lets through, Cedar must be able to take back from its JSON form."""
    for operands in range(50, 70):
        text = "permit (principal, action, resource) when { true" + " && true" * operands + " };"
        try:
            read(text)
        except PolicyError:
            break
        assert ask(compiled(text)).allowed
    assert operands < 69


def test_mentions_that_are_only_records_are_passed_over() -> None:
    text = (
        '@id("x") permit (principal, action, resource) when '
        '{ {"__entity": {"type": "a"}} == {"__entity": {"type": "a"}} };'
    )
    assert ask(compiled(text)).allowed


def test_a_manifest_alone_is_a_policy_that_permits_nothing() -> None:
    source = read_source({"manifest.toml": MANIFEST.encode()}, base())
    policy = compile_policy(source, schema_text())
    assert not ask(policy, WRITER, "tools/call", "tool:git/open").allowed
    assert "tools/call:" not in policy.actions


def with_tools(text: str, count: int, **parts: Any) -> list[str]:
    """The problems of policies in a source with many tools; none where it compiles."""
    tools = [
        {"name": f"t{number}", "inputSchema": {"properties": {"a": {"type": "string"}}}}
        | ({"inputSchema": {"type": "object", "properties": {f"a{number}": {"type": "string"}}}})
        for number in range(count)
    ]
    try:
        compiled(text, **{"extra": {"tools/git.json": server_file(tools=tools)}, **parts})
    except PolicyError as error:
        return [str(problem) for problem in error.problems]
    return []


def about(number: int, condition: str) -> str:
    action = f'action == Action::"tools/call:git/t{number}"'
    return f'@id("p{number}")\npermit (principal, {action}, resource) when {{ {condition} }};\n'


MANY = validation.TOOLS_AT_ONCE * 2 + 3


def test_policies_about_many_tools_are_held_to_the_types_of_their_own() -> None:
    texts = [about(number, f"context.args has a{number}") for number in range(MANY)]
    assert with_tools("".join(texts), MANY) == []
    texts[30] = about(30, "context.args has a30 && context.args.a30 == 1")
    texts[7] = about(7, "principal.nope == 1")
    said = with_tools("".join(texts), MANY)
    assert [one.partition(": ")[0] for one in said] == [
        "policies/test.cedar:15",
        "policies/test.cedar:61",
    ]


def test_a_policy_about_one_tool_may_mention_another_of_many() -> None:
    mention = about(1, f'action == Action::"tools/call:git/t{MANY - 1}" || true')
    assert with_tools(mention, MANY) == []
    assert len(with_tools(mention.replace(f"t{MANY - 1}", "none"), MANY)) == 1


def test_an_extension_may_mention_one_tool_of_many() -> None:
    schema = f'action odd in ["tools/call:git/t{MANY - 1}"];'
    assert with_tools(about(1, "true"), MANY, schema=schema) == []


def test_policies_about_several_tools_or_none_in_particular_are_checked_too() -> None:
    several = 'permit (principal, action in [Action::"tools/call:git/t0", Action::"{}"], resource)'
    bad = " when { principal.nope };"
    text = several.format(f"tools/call:git/t{MANY - 1}") + bad + several.format("tools/list") + bad
    assert len(with_tools(text + "forbid (principal, action, resource)" + bad, MANY)) == 3
