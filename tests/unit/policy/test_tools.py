"""Tools are what the policy's author declares; what is not said is dangerous."""

from typing import Any

import pytest
from pydantic import ValidationError

from governd.errors import RequestError
from governd.policy.tools import ServerFile, Tool, ToolEntry, read_server


def server(*tools: dict[str, Any], **parts: object) -> ServerFile:
    return ServerFile.model_validate(
        {"server": "git", "spiffe_id": "spiffe://example.org/mcp/git", "tools": tools, **parts}
    )


def tool(**parts: object) -> Tool:
    found, problems = read_server(server({"name": "t", **parts}))
    assert not problems
    return found.tools["t"]


NAMES = {
    "empty": "",
    "a space": "a b",
    "a trailing space": "git_reset ",
    "a line end": "git_reset\n",
    "a colon": "git:reset",
    "look-alike letters": "gіt_reset",
    "full-width letters": "ｇit_reset",
    "a zero-width space": "git\u200b_reset",
    "a NUL": "git\0",
    "129 characters": "x" * 129,
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_a_tool_has_a_name_without_tricks(name: str) -> None:
    with pytest.raises(ValidationError):
        server({"name": name})


@pytest.mark.parametrize("name", ["", "Git", "git/x", "-git", "gіt", "git\n", "x" * 64])
def test_a_server_has_a_name_without_tricks(name: str) -> None:
    with pytest.raises(ValidationError):
        server(server=name)


def test_an_unknown_key_of_a_file_is_refused_and_one_of_a_tool_is_mcps() -> None:
    assert server({"name": "t", "title": "T", "outputSchema": {}}).tools[0].name == "t"
    with pytest.raises(ValidationError):
        server(tool=[])


def test_a_server_is_named_by_a_spiffe_id() -> None:
    with pytest.raises(RequestError, match="spiffe_id: "):
        read_server(server(spiffe_id="git"))


@pytest.mark.parametrize(
    ("annotations", "destructive"),
    [
        (None, True),
        ({}, True),
        ({"destructiveHint": True}, True),
        ({"destructiveHint": False}, False),
        ({"readOnlyHint": True}, False),
        ({"readOnlyHint": True, "destructiveHint": True}, False),
        ({"readOnlyHint": False}, True),
        ({"title": "harmless"}, True),
    ],
)
def test_a_tool_is_destructive_unless_it_is_said_not_to_be(
    annotations: dict[str, object] | None, destructive: bool
) -> None:
    assert tool(annotations=annotations).destructive is destructive


def test_a_tool_without_hints_is_open_world_and_not_idempotent() -> None:
    hints = tool().hints
    assert (hints.open_world, hints.idempotent, hints.read_only) == (True, False, False)


def test_a_hint_of_another_type_is_refused() -> None:
    with pytest.raises(ValidationError):
        server({"name": "t", "annotations": {"destructiveHint": "never"}})


def test_requirements_are_a_set() -> None:
    assert tool(requires=["b", "a", "b"]).requires == ("a", "b")


def test_a_tool_is_an_action_of_its_own() -> None:
    declared = tool(inputSchema={"type": "object", "properties": {"a": {"type": "string"}}})
    assert (declared.id, declared.action) == ("git/t", "tools/call:git/t")
    assert declared.schema() == (
        'action "tools/call:git/t" in ["tools/call"] appliesTo { principal: [Agent],'
        ' resource: [Tool], context: { args: { "a"?: String },'
        " args_undeclared: Bool, delegated: Bool, delegation?: Delegation,"
        " kya?: KnownCard, kya_level: Long } };"
    )


def test_what_a_file_states_of_a_definition_is_kept_in_canonical_form() -> None:
    assert tool().stated == tool(annotations={}, requires=["a"], title="T").stated == ""
    found = tool(outputSchema={"b": 1.0, "a": "\u00e9"}, description="D", inputSchema={})
    assert (
        found.stated == '{"description":"D","inputSchema":{},"outputSchema":{"a":"\u00e9","b":1}}'
    )


@pytest.mark.parametrize("member", ["description", "inputSchema", "outputSchema", "pin"])
def test_null_states_nothing(member: str) -> None:
    assert tool(**{member: None}) == tool()


@pytest.mark.parametrize(
    ("member", "value"),
    [("description", 1), ("inputSchema", []), ("outputSchema", True), ("pin", 1)],
)
def test_what_no_definition_could_say_is_refused(member: str, value: object) -> None:
    with pytest.raises(ValidationError):
        server({"name": "t", member: value})


def deep(levels: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(levels):
        found = {"a": found}
    return found


@pytest.mark.parametrize(
    "schema",
    [{"maximum": 2**53}, {"maximum": float("inf")}, deep(2_000)],
    ids=["2^53", "∞", "deep"],
)
def test_a_schema_without_a_canonical_form_is_told(schema: dict[str, Any]) -> None:
    entry = ServerFile(
        server="git",
        spiffe_id="spiffe://example.org/mcp/git",
        tools=(ToolEntry.model_construct(name="t", input_schema=schema),),
    )
    found, problems = read_server(entry)
    assert not found.tools
    assert [one.partition(":")[2].partition(":")[0] for one in problems] == [
        " t has no canonical form"
    ]


@pytest.mark.parametrize(
    "pin",
    [
        "",
        "a" * 64,
        "sha-256:" + "a" * 63,
        "sha-256:" + "a" * 65,
        "sha-256:" + "A" * 64,
        "sha-256:" + "a" * 64 + "\n",
        "sha-512:" + "a" * 64,
    ],
)
def test_a_pin_is_a_digest(pin: str) -> None:
    assert tool(pin="sha-256:" + "0a" * 32).pin == "sha-256:" + "0a" * 32
    with pytest.raises(ValidationError):
        server({"name": "t", "pin": pin})


def test_a_servers_annotations_are_trusted_only_where_that_is_said() -> None:
    assert not read_server(server())[0].trust_annotations
    assert read_server(server(trust_annotations=True))[0].trust_annotations


@pytest.mark.parametrize("value", ["true", "yes", 1, None, []])
def test_trust_is_said_by_true_and_nothing_else(value: object) -> None:
    with pytest.raises(ValidationError):
        server(trust_annotations=value)
