"""Second looks at what is allowed but probably not meant."""

from typing import Any

from governd.policy.lint import lint
from governd.policy.source import read_source
from tests.policies import READER, TENANTS, base, server_file, source_files

NEAT = [
    {
        "name": "t",
        "requires": ["git:read"],
        "inputSchema": {"type": "object", "properties": {}},
        "annotations": {"readOnlyHint": True},
    }
]
FILES = 'files = ["policies/test.cedar", "grants.toml", "tools/git.json", "entities.json"]\n'


def found(policies: str = "", **parts: Any) -> list[str]:
    neat = {"manifest": FILES, "entities": [], "extra": {"tools/git.json": server_file(tools=NEAT)}}
    files = source_files(policies, **{**neat, **parts})
    return [str(problem) for problem in lint(read_source(files, base()))]


def test_a_neat_source_has_nothing_to_look_at() -> None:
    text = '@id("x") permit (principal is Agent, action, resource) when { context.delegated };'
    assert (
        found(text, grants=f'[[grant]]\nagents = ["{READER}"]\ncapabilities = ["git:read"]') == []
    )


def test_a_manifest_that_lists_no_files() -> None:
    assert found(manifest="")[0].startswith("manifest.toml: files: not given")


def test_a_policy_without_id() -> None:
    (problem,) = found("\npermit (principal is Agent, action, resource);")
    assert problem.startswith("policies/test.cedar:2: policy: has no @id; answers call it")


def test_a_misspelt_annotation() -> None:
    (problem,) = found(
        '@id("x") @modes("shadow") @owner("me") forbid (principal is Agent, action, resource);'
    )
    assert problem.endswith("@modes means nothing here; is it @mode?")


def test_an_open_scope_and_a_permit_of_everything() -> None:
    problems = found('@id("x") permit (principal, action, resource);')
    assert [problem.partition("policy: ")[2] for problem in problems] == [
        "constrains nothing in its scope, so it is evaluated for every question",
        "permits everything to everyone",
    ]
    assert len(found('@id("x") forbid (principal, action, resource);')) == 1
    assert len(found('@id("x") permit (principal, action, resource) when { true };')) == 1


def test_groups_that_nobody_is_in() -> None:
    text = (
        '@id("x") forbid (principal is Agent in Group::"a", action, resource in Group::"b")'
        ' when { principal in Group::"c" || principal in Group::"known"'
        ' || principal in Group::"parent" || principal in Group::"revoked" };'
    )
    parents = [{"type": "Group", "id": "parent"}]
    known = {"uid": {"__entity": {"type": "Group", "id": "known"}}, "parents": parents}
    entities = [known, {"uid": {"type": "Agent", "id": READER}}]
    assert [problem.partition("policy: ")[2] for problem in found(text, entities=entities)] == [
        f'Group::"{name}" is in no entities.json, so nobody is in it' for name in "abc"
    ]


def test_a_scope_that_names_several_actions_or_another_entity() -> None:
    text = (
        f'@id("x") permit (principal == Agent::"{READER}", '
        'action in [Action::"tools/list"], resource == McpServer::"git");'
    )
    assert found(text) == []


def test_a_grant_that_reaches_nothing_or_nobody() -> None:
    assert found(grants='[[grant]]\ngroups = ["nobody"]\ncapabilities = ["git:raed"]') == [
        "grants.toml: capabilities: no tool requires git:raed",
        "grants.toml: groups: nobody is in no entities.json",
    ]


def test_what_a_server_that_registers_its_tools_requires_is_nobodys_to_know() -> None:
    late = server_file("late", "spiffe://example.org/mcp/late", tools=[])
    assert (
        found(
            manifest=FILES.replace("]", ', "tools/late.json"]'),
            grants=f'[[grant]]\nagents = ["{READER}"]\ncapabilities = ["late:read"]',
            extra={"tools/git.json": server_file(tools=NEAT), "tools/late.json": late},
        )
        == []
    )


def many(count: int, scope: str) -> str:
    return "\n".join(
        f'@id("p{number}") permit ({scope.replace("#", str(number))}) when {{ context.delegated }};'
        for number in range(count)
    )


def crowded(text: str, **parts: Any) -> list[str]:
    return [one for one in found(text, **parts) if "are put to every question" in one]


def test_many_policies_about_nobody_in_particular_are_told_once_with_their_number() -> None:
    assert not crowded(many(100, "principal is Agent, action, resource"))
    (problem,) = crowded(many(101, "principal is Agent, action, resource"))
    assert problem.startswith("policies/test.cedar:1: policy: is one of 101 that are put to every")


def test_policies_of_wider_scopes_count_among_them() -> None:
    about = f'principal == Agent::"{READER}", action == Action::"tools/call:git/t", resource'
    calls = 'principal is Agent, action in Action::"tools/call", resource'
    text = many(60, about) + many(60, calls).replace('@id("p', '@id("q')
    (problem,) = crowded(text)
    assert problem.startswith("policies/test.cedar:1: policy: is one of 120 ")


def test_what_is_crowded_because_of_wider_policies_is_not_told_again() -> None:
    about = 'principal == Agent::"spiffe://example.org/a#", action, resource'
    text = (
        many(50, about)
        + "\n"
        + many(101, "principal is Agent, action, resource").replace('@id("p', '@id("q')
    )
    (problem,) = crowded(text)
    assert problem.startswith("policies/test.cedar:51: ")


def test_policies_about_different_principals_are_no_crowd() -> None:
    about = 'principal == Agent::"spiffe://example.org/a#", action, resource'
    assert not crowded(many(300, about))
    assert not crowded(many(300, 'principal in Group::"g#", action, resource'))


def test_policies_of_different_tenants_are_no_crowd() -> None:
    own = {
        f"tenants/{name}/policies/x.cedar": many(60, "principal, action, resource")
        for name in ("acme", "beta")
    }
    tools = {"tools/git.json": server_file(tools=NEAT)}
    assert not crowded("", manifest=TENANTS, extra=own | tools)
    platform = many(60, "principal is Agent, action, resource")
    assert [
        problem.partition(":")[0]
        for problem in crowded(platform, manifest=TENANTS, extra=own | tools)
    ] == sorted(own)
