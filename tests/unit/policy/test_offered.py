"""Questions about tools that only their server declares are decided by the same policies."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from governd.policy.compiled import CompiledPolicy
from governd.policy.decision import Decision, DecisionCode
from governd.policy.definitions import Definition
from governd.policy.entities import Uid
from governd.policy.offered import Offered
from governd.policy.offering import offer
from governd.policy.registration import Registration, register
from tests.policies import READER, WRITER, ask, compiled, server_file
from tests.tool_definitions import NOW, registration, tool

Code = DecisionCode
WIKI = "spiffe://example.org/mcp/wiki"
HARMLESS = {"readOnlyHint": True, "openWorldHint": False, "idempotentHint": True}
ARGUMENTS = {
    "type": "object",
    "properties": {"text": {"type": "string"}, "count": {"type": "integer"}},
}
SEARCH = tool("search", ("wiki:read",), inputSchema=ARGUMENTS, annotations=HARMLESS)
DELETE = tool("delete", ("wiki:write",), inputSchema=ARGUMENTS)
GRANTS = f"""
[[grant]]
agents = ["{WRITER}"]
capabilities = ["wiki:read", "wiki:write"]
"""
MAY_DELETE = f'[[grant]]\nagents = ["{WRITER}"]\ndestructive = ["wiki/delete"]\n'


def by_wiki(*definitions: Definition) -> Registration:
    return registration(*definitions, server="wiki", spiffe_id=WIKI)


def policy(policies: str = "", *, trusted: bool = False, **parts: Any) -> CompiledPolicy:
    """Beside ``git``, a server that registers its own tools."""
    wiki = {"server": "wiki", "spiffe_id": WIKI, "trust_annotations": trusted}
    extra = {"tools/wiki.json": json.dumps(wiki)}
    return compiled(policies, **{"grants": GRANTS, "extra": extra, **parts})


def with_tools(policies: str = "", *definitions: Definition, **parts: Any) -> CompiledPolicy:
    """The same, once it has."""
    found = policy(policies, **parts)
    return found.offering(offer(found, [by_wiki(*(definitions or (SEARCH, DELETE)))]).offered)


def offered(*registrations: Registration, **parts: Any) -> Offered:
    return offer(policy(**parts), registrations).offered


def search(
    found: CompiledPolicy, subject: str = WRITER, arguments: Mapping[str, Any] | None = None
) -> Decision:
    return ask(found, subject, resource="tool:wiki/search", arguments=arguments)


def delete(found: CompiledPolicy, arguments: Mapping[str, Any] | None = None) -> Decision:
    return ask(found, resource="tool:wiki/delete", arguments=arguments)


def forbid(scope: str, condition: str = "true") -> str:
    return f'@id("no") forbid (principal, {scope}) when {{ {condition} }};'


# --- the base policy -----------------------------------------------------------------------


def test_a_tool_is_unknown_until_its_server_registers_it() -> None:
    assert search(policy()).code is Code.UNKNOWN_RESOURCE


@pytest.mark.req("gi-5", part=True)
def test_where_annotations_are_trusted_a_harmless_tool_needs_its_capabilities() -> None:
    found = with_tools(trusted=True)
    assert search(found).reasons == ("base/capabilities-cover",)
    assert search(found).allowed
    assert search(found, READER).code is Code.NOT_PERMITTED


def test_annotations_that_nobody_trusts_make_no_tool_harmless() -> None:
    decision = search(with_tools())
    assert (decision.code, decision.reasons) == (
        Code.FORBIDDEN,
        ("base/destructive-needs-grant",),
    )


def test_where_annotations_are_trusted_what_is_not_said_is_dangerous_all_the_same() -> None:
    found = with_tools(trusted=True)
    assert delete(found).reasons == ("base/destructive-needs-grant",)
    assert found.offered.tools["wiki/delete"].hints.open_world


def test_a_destructive_tool_is_granted_by_name() -> None:
    found = with_tools(grants=GRANTS + MAY_DELETE)
    assert delete(found, {"text": "x"}).allowed
    assert not search(found).allowed


def test_arguments_that_the_server_did_not_declare_reach_no_destructive_tool() -> None:
    found = with_tools(grants=GRANTS + MAY_DELETE)
    assert delete(found, {"text": "x", "all": True}).reasons == ("base/undeclared-arguments",)
    harmless = with_tools(trusted=True)
    assert search(harmless, arguments={"text": "x", "all": True}).allowed


def test_an_argument_of_another_type_than_registered_is_refused() -> None:
    found = with_tools(trusted=True)
    assert search(found, arguments={"text": 1}).code is Code.ARGUMENTS_MISMATCH


def test_a_tool_that_requires_nothing_is_permitted_by_a_policy_only() -> None:
    bare = tool("plain", annotations=HARMLESS)
    permit = '@id("p") permit (principal, action, resource == Tool::"wiki/plain");'
    for policies, code in [("", Code.NOT_PERMITTED), (permit, Code.PERMITTED)]:
        found = with_tools(policies, bare, trusted=True)
        assert ask(found, resource="tool:wiki/plain").code is code


def test_who_may_call_something_sees_the_list() -> None:
    for subject, allowed in [(WRITER, True), (READER, False)]:
        found = with_tools()
        assert ask(found, subject, "tools/list", "mcp_server:wiki").allowed is allowed
        assert not ask(policy(), subject, "tools/list", "mcp_server:wiki").allowed


def test_nothing_is_permitted_on_a_revoked_server() -> None:
    revoked = f'[revoked]\nsubjects = ["{WIKI}"]\n'
    found = with_tools(trusted=True, manifest=revoked)
    assert search(found).code is Code.UNKNOWN_RESOURCE
    assert ask(found, action="tools/list", resource="mcp_server:wiki").reasons == ("base/revoked",)


# --- policies of one's own -----------------------------------------------------------------

SCOPES = [
    'action, resource == Tool::"wiki/search"',
    'action, resource in McpServer::"wiki"',
    'action, resource is Tool in McpServer::"wiki"',
    'action in Action::"tools/call", resource',
    'action in [Action::"tools/call"], resource is Tool',
]


@pytest.mark.parametrize("scope", SCOPES)
def test_policies_meet_a_tool_that_only_its_server_declares(scope: str) -> None:
    decision = search(with_tools(forbid(scope), trusted=True))
    assert (decision.code, decision.reasons) == (Code.FORBIDDEN, ("no",))


@pytest.mark.parametrize(
    "condition",
    [
        "resource.destructive == false",
        "resource.read_only && resource.idempotent && !resource.open_world",
        'resource.name == "search"',
        'resource.requires.contains("wiki:read")',
        'resource in McpServer::"wiki"',
    ],
)
def test_policies_can_ask_what_a_tool_is(condition: str) -> None:
    found = with_tools(forbid('action in Action::"tools/call", resource', condition), trusted=True)
    assert search(found).reasons == ("no",)


ON_TEXT = forbid(
    'action in Action::"tools/call", resource in McpServer::"wiki"',
    'context.args has text && context.args.text == "secret"',
)


def test_a_forbid_about_an_argument_holds_for_tools_that_nobody_declared() -> None:
    one = {"name": "one", "inputSchema": ARGUMENTS}
    found = policy(ON_TEXT, extra={"tools/git.json": server_file(tools=[one]), **_wiki()})
    found = found.offering(offer(found, [by_wiki(SEARCH)]).offered)
    assert search(found, arguments={"text": "fine"}).allowed
    assert search(found, arguments={"text": "secret"}).reasons == ("no",)


def test_a_forbid_that_meets_another_type_denies() -> None:
    """A number where policies are typed for a text: an error must not become a permit."""
    like = ON_TEXT.replace('== "secret"', 'like "secret*"')
    one = {"name": "one", "inputSchema": ARGUMENTS}
    number = {"type": "object", "properties": {"text": {"type": "integer"}}}
    found = policy(like, extra={"tools/git.json": server_file(tools=[one]), **_wiki()})
    other = tool("search", ("wiki:read",), inputSchema=number, annotations=HARMLESS)
    found = found.offering(offer(found, [by_wiki(other)]).offered)
    assert search(found).allowed
    decision = search(found, arguments={"text": 1})
    assert (decision.code, decision.reasons) == (Code.ENGINE_ERROR, ("no",))


def _wiki() -> dict[str, str]:
    wiki = {"server": "wiki", "spiffe_id": WIKI, "trust_annotations": True}
    return {"tools/wiki.json": json.dumps(wiki)}


# --- records -------------------------------------------------------------------------------


def test_records_are_as_cedar_leaves_those_of_declared_tools() -> None:
    tools = [json.loads(one.canonical) | {"requires": one.requires} for one in (SEARCH, DELETE)]
    extra = {"tools/wiki.json": server_file("wiki", WIKI, tools)}
    graph = compiled(extra=extra, grants=GRANTS).graph
    found = offered(by_wiki(SEARCH, DELETE), trusted=True).records
    assert found.keys() == {
        Uid("Tool", "wiki/search"),
        Uid("Tool", "wiki/delete"),
        Uid("Action", "tools/call:wiki/search"),
        Uid("Action", "tools/call:wiki/delete"),
        Uid("McpServer", "wiki"),
    }
    for uid, record in found.items():
        assert record == graph.record(uid)


READ = next(one for one in json.loads(server_file())["tools"] if one["name"] == "read")


def read(*requires: str) -> Definition:
    """``read`` as the policy source states it."""
    return tool("read", requires, inputSchema=READ["inputSchema"])


def test_a_declared_tool_to_which_a_registration_adds_takes_the_policys_place() -> None:
    added = offered(registration(read("git:more")))
    assert added.records.keys() == {Uid("Tool", "git/read"), Uid("McpServer", "git")}
    assert added.records[Uid("Tool", "git/read")]["attrs"]["requires"] == ["git:more", "git:read"]
    assert added.records[Uid("McpServer", "git")]["attrs"]["capabilities"] == [
        "git:more",
        "git:read",
        "git:write",
    ]


def test_a_requirement_that_others_have_already_changes_no_server() -> None:
    added = offered(registration(read("git:write")))
    assert added.records.keys() == {Uid("Tool", "git/read")}


@pytest.mark.req("sdk-4", part=True)
def test_who_has_what_the_source_requires_lacks_what_the_server_adds() -> None:
    """And goes on lacking it when the server leaves it out."""
    some = f'[[grant]]\nagents = ["{READER}"]\ncapabilities = ["git:read"]\n'
    grants = some + some.replace(READER, WRITER).replace('"git:read"', '"git:read", "git:more"')
    plain = policy(grants=grants)
    first = registration(read("git:more"))
    dropped = register(first, first.spiffe_id, "git", [read()], now=NOW + 1, accept_first=True)
    asked: dict[str, Any] = {"resource": "tool:git/read", "arguments": {"text": "x"}}
    assert ask(plain, READER, **asked).allowed
    for one in (first, dropped):
        found = plain.offering(offer(plain, [one]).offered)
        assert ask(found, WRITER, **asked).allowed
        assert ask(found, READER, **asked).code is Code.NOT_PERMITTED
