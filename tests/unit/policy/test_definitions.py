"""A definition is read strictly, and its digest is of what a model or a client acts upon."""

import hashlib
import json
from typing import Any

import pytest
import rfc8785

from governd.errors import DefinitionError
from governd.policy.definitions import (
    MAX_NAME_BYTES,
    MAX_REQUIRES,
    Definition,
    DefinitionLimits,
    Kind,
    read_definition,
)
from governd.policy.tools import NO_HINTS
from governd.policy.unsafe_schema import MAX_PATHS
from tests.tool_definitions import definition, text, tool

LIMITS = DefinitionLimits()
WHOLE: dict[str, Any] = {
    "name": "git_commit",
    "title": "Commit",
    "description": "Records changes.",
    "icons": [{"src": "https://example.org/icon.png"}],
    "inputSchema": {"type": "object", "properties": {"message": {"type": "string"}}},
    "outputSchema": {"type": "object"},
    "annotations": {"title": "Commit", "readOnlyHint": False, "destructiveHint": False},
    "_meta": {"x": 1},
}
PINNED = ("annotations", "description", "inputSchema", "name", "outputSchema")


def refusal(content: bytes, kind: Kind = Kind.TOOL, limits: DefinitionLimits = LIMITS) -> str:
    """The field that is named for a definition that is refused."""
    with pytest.raises(DefinitionError) as error:
        read_definition(kind, content, (), limits=limits, field="definitions[3]")
    assert error.value.reason == "DEFINITION_INVALID"
    assert str(error.value).startswith(error.value.field)
    return error.value.field.removeprefix("definitions[3].definition_json")


def with_schema(schema: object) -> Definition:
    return tool("t", inputSchema=schema)


# --- what is pinned ------------------------------------------------------------------------


def test_the_digest_is_of_the_canonical_form_of_the_pinned_members() -> None:
    found = definition(Kind.TOOL, json.dumps(WHOLE).encode())
    assert found.canonical == rfc8785.dumps({name: WHOLE[name] for name in PINNED})
    assert found.digest == "sha-256:" + hashlib.sha256(found.canonical).hexdigest()
    assert found.name == "git_commit"


@pytest.mark.parametrize(
    ("kind", "members"),
    [
        (Kind.RESOURCE, {"uri": "file:///a", "name": "a", "description": "A", "mimeType": "t/p"}),
        (
            Kind.RESOURCE_TEMPLATE,
            {"uriTemplate": "file:///{a}", "name": "a", "description": "A", "mimeType": "t/p"},
        ),
        (Kind.PROMPT, {"name": "a", "description": "A", "arguments": [{"name": "x"}]}),
    ],
)
def test_of_each_kind_other_members_are_pinned(kind: Kind, members: dict[str, Any]) -> None:
    found = definition(kind, json.dumps({**members, "title": "T", "size": 9}).encode())
    assert found.canonical == rfc8785.dumps(members)
    assert found.name == (members.get("uri") or members.get("uriTemplate") or members["name"])


@pytest.mark.parametrize("member", PINNED)
def test_a_change_of_any_pinned_member_changes_the_digest(member: str) -> None:
    other: dict[str, Any] = {"name": "x", "description": "x"}
    changed = {**WHOLE, member: other.get(member, {"title": "x"})}
    before, after = (definition(Kind.TOOL, json.dumps(one).encode()) for one in (WHOLE, changed))
    assert before.digest != after.digest


def test_how_the_server_writes_it_does_not_count() -> None:
    turned = json.dumps(dict(reversed(WHOLE.items())), indent=2, ensure_ascii=True).encode()
    written = turned.replace(b"Records", b"\\u0052ecords").replace(b'"x": 1', b'"x": 2')
    assert definition(Kind.TOOL, written) == definition(Kind.TOOL, json.dumps(WHOLE).encode())


def test_one_and_true_and_one_point_zero_are_told_apart_as_json_does() -> None:
    one, true, float_one = (with_schema({"default": value}) for value in (1, True, 1.0))
    assert one.digest != true.digest
    assert one.digest == float_one.digest  # 1 and 1.0 are one number in JSON


def test_members_are_the_parts_of_the_canonical_form() -> None:
    found = definition(Kind.TOOL, json.dumps(WHOLE).encode())
    assert found.members() == {
        name: f'"{name}":'.encode() + rfc8785.dumps(WHOLE[name]) for name in PINNED
    }
    assert b"{" + b",".join(found.members().values()) + b"}" == found.canonical


def test_what_follows_of_a_tool_is_read_from_its_canonical_form() -> None:
    found = definition(Kind.TOOL, json.dumps(WHOLE).encode())
    assert list(found.parameters.fields) == ["message"]
    assert (found.hints.destructive, found.hints.open_world) == (False, True)
    again = definition(Kind.TOOL, found.canonical)
    assert (again.parameters, again.hints, again.ends) == (
        found.parameters,
        found.hints,
        found.ends,
    )


def test_the_order_of_arguments_does_not_decide_which_are_typed() -> None:
    names = [f"a{number:03}" for number in range(300)]
    forth, back = (
        with_schema({"type": "object", "properties": {one: {"type": "string"} for one in order}})
        for order in (names, names[::-1])
    )
    assert forth.parameters == back.parameters
    assert forth.parameters.untyped


def test_without_annotations_mcps_defaults_count() -> None:
    assert tool("t").hints is NO_HINTS
    assert tool("t", annotations={"title": "harmless"}).hints is NO_HINTS


# --- what is refused -----------------------------------------------------------------------

TWICE = {
    "a member twice": b'{"name": "a", "name": "b"}',
    "a member of a member twice": b'{"name": "a", "inputSchema": {"x": 1, "x": 1}}',
    "a member twice, once escaped": b'{"name": "a", "n\\u0061me": "b"}',
}
NOT_JSON = {
    **TWICE,
    "nothing": b"",
    "text": b"name",
    "half an object": b'{"name": "a"',
    "two objects": b'{"name": "a"}{}',
    "a comment": b'{"name": "a" /* b */}',
    "NaN": b'{"name": "a", "inputSchema": {"x": NaN}}',
    "Infinity": b'{"name": "a", "inputSchema": {"x": -Infinity}}',
    "a list": b'["name"]',
    "null": b"null",
    "no UTF-8": b'{"name": "\xff"}',
    "UTF-16": '{"name": "a"}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"name": "a"}',
    "a control character in text": b'{"name": "a\n"}',
    "an integer of thousands of digits": b'{"name": "a", "x": ' + b"9" * 5_000 + b"}",
}


@pytest.mark.parametrize("content", NOT_JSON.values(), ids=NOT_JSON.keys())
def test_what_two_readers_could_take_differently_is_refused(content: bytes) -> None:
    assert refusal(content) == ""


PLACES: dict[str, tuple[str, str]] = {
    "no name": ("{}", ".name"),
    "an empty name": ('{"name": ""}', ".name"),
    "a name that is no text": ('{"name": 1}', ".name"),
    "a name that is null": ('{"name": null}', ".name"),
    "a name with a NUL": (r'{"name": "a\u0000"}', ".name"),
    "a name with a line end": (r'{"name": "a\n"}', ".name"),
    "a name with an escape sequence": (r'{"name": "a\u001b[1m"}', ".name"),
    "a name with a control character of Latin-1": (r'{"name": "a\u0085"}', ".name"),
    "half a character in the name": (r'{"name": "\ud800"}', ".name"),
    "half a character in what is not pinned": (r'{"name": "a", "title": "\udfff"}', ".title"),
    "half a character in a member's name": (r'{"name": "a", "_meta": {"\ud800": 1}}', "._meta"),
    "a NUL in a member's name": (
        r'{"name": "a", "inputSchema": {"properties": {"a\u0000": {}}}}',
        ".inputSchema.properties",
    ),
    "a description that is no text": ('{"name": "a", "description": {}}', ".description"),
    "a description that is null": ('{"name": "a", "description": null}', ".description"),
    "a schema that is true": ('{"name": "a", "inputSchema": true}', ".inputSchema"),
    "a schema that is a list": ('{"name": "a", "outputSchema": []}', ".outputSchema"),
    "annotations that are a list": ('{"name": "a", "annotations": []}', ".annotations"),
    "a hint that is text": (
        '{"name": "a", "annotations": {"destructiveHint": "false"}}',
        ".annotations.destructiveHint",
    ),
    "a hint that is a number": (
        '{"name": "a", "annotations": {"readOnlyHint": 1}}',
        ".annotations.readOnlyHint",
    ),
    "an integer beyond what a double holds exactly": (
        '{"name": "a", "inputSchema": {"maximum": 9007199254740992}}',
        ".inputSchema.maximum",
    ),
    "a large integer with a fraction": (
        '{"name": "a", "inputSchema": {"maximum": 9007199254740993.0}}',
        ".inputSchema.maximum",
    ),
    "a large integer with an exponent": (
        '{"name": "a", "inputSchema": {"enum": [1, 1e20]}}',
        ".inputSchema.enum[1]",
    ),
    "an integer beyond any double": (
        '{"name": "a", "inputSchema": {"maximum": 1' + "0" * 400 + "}}",
        ".inputSchema.maximum",
    ),
    "a number beyond any double": (
        '{"name": "a", "inputSchema": {"maximum": 1e999}}',
        ".inputSchema.maximum",
    ),
}


@pytest.mark.parametrize(("content", "place"), PLACES.values(), ids=PLACES.keys())
def test_what_is_wrong_is_named_with_its_path(content: str, place: str) -> None:
    assert refusal(content.encode()) == place


@pytest.mark.parametrize(
    ("kind", "member"),
    [
        (Kind.RESOURCE, "uri"),
        (Kind.RESOURCE_TEMPLATE, "uriTemplate"),
        (Kind.PROMPT, "name"),
    ],
)
def test_each_kind_is_named_by_its_own_member(kind: Kind, member: str) -> None:
    others = {"name", "uri", "uriTemplate"} - {member}
    assert refusal(json.dumps(dict.fromkeys(others, "a")).encode(), kind) == f".{member}"


def test_arguments_of_a_prompt_are_a_list() -> None:
    assert refusal(b'{"name": "a", "arguments": {}}', Kind.PROMPT) == ".arguments"


def test_a_path_of_long_names_is_cut() -> None:
    deep: dict[str, Any] = {"x": float("1e20")}
    for _ in range(20):
        deep = {"n" * 1_000: deep}
    assert len(refusal(text("a", inputSchema=deep))) <= 512


def test_a_name_has_as_many_bytes_as_are_allowed_and_no_more() -> None:
    name = "é" * (MAX_NAME_BYTES // 2)
    assert tool(name).name == name
    assert refusal(text(f"{name}x")) == ".name"


@pytest.mark.parametrize("number", ["9007199254740991", "-9007199254740991", "0.1", "1e300", "-0"])
def test_numbers_that_a_double_holds_are_fine_and_canonical_for_good(number: str) -> None:
    content = b'{"name":"a","inputSchema":{"default":%s}}' % number.encode()
    found = definition(Kind.TOOL, content)
    assert definition(Kind.TOOL, found.canonical) == found


def test_a_definition_has_as_many_bytes_as_are_allowed_and_no_more() -> None:
    content = text("a")
    limits = DefinitionLimits(max_bytes=len(content))
    read_definition(Kind.TOOL, content, (), limits=limits, field="d")
    assert refusal(content + b" ", limits=limits) == ""


@pytest.mark.parametrize(("opening", "closing"), [('{"a":', "}"), ("[", "]")])
@pytest.mark.parametrize("levels", [31, 500, 100_000])
def test_a_schema_of_too_many_levels_is_refused_and_not_followed(
    opening: str, closing: str, levels: int
) -> None:
    deep = f'{{"name": "a", "inputSchema": {{"x": {opening * levels}1{closing * levels}}}}}'
    limits = DefinitionLimits(max_bytes=1 << 20)
    with pytest.raises(DefinitionError, match="nested deeper than 32 levels"):
        read_definition(Kind.TOOL, deep.encode(), (), limits=limits, field="d")


def test_as_many_levels_as_are_allowed_are_fine_and_no_more() -> None:
    limits = DefinitionLimits(max_depth=3)
    for schema, fine in [({"x": {}}, True), ({"x": {"y": {}}}, False), ({"x": [[]]}, False)]:
        content = text("a", inputSchema=schema)
        if fine:
            read_definition(Kind.TOOL, content, (), limits=limits, field="d")
        else:
            assert refusal(content, limits=limits).startswith(".inputSchema.x")


# --- what a caller needs -------------------------------------------------------------------


@pytest.mark.req("sdk-4", part=True)
def test_requirements_are_a_sorted_set() -> None:
    assert tool("a", ("git:write", "git:read", "git:write")).requires == ("git:read", "git:write")


@pytest.mark.parametrize("name", ["", "a b", "a\n", "-a", "é", "x" * 129, "a\0"])
def test_a_requirement_has_a_name_without_tricks(name: str) -> None:
    with pytest.raises(DefinitionError) as error:
        tool("a", ("fine", name))
    assert error.value.field == "d.requires[1]"


def test_requirements_are_bounded() -> None:
    names = [f"c{number}" for number in range(MAX_REQUIRES + 1)]
    assert len(tool("a", names[1:]).requires) == MAX_REQUIRES
    with pytest.raises(DefinitionError, match=r"^d\.requires: has 65 capabilities"):
        tool("a", names)


@pytest.mark.parametrize("kind", [Kind.RESOURCE, Kind.RESOURCE_TEMPLATE, Kind.PROMPT])
def test_only_a_tool_requires_anything(kind: Kind) -> None:
    content = b'{"name": "a", "uri": "a:b", "uriTemplate": "a:{b}"}'
    with pytest.raises(DefinitionError, match=r"^d\.requires: only a tool"):
        definition(kind, content, ("a",))


# --- what is unsafe ------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["$ref", "$dynamicRef", "$recursiveRef"])
@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest/meta-data",
        "https://example.org/schema.json#/a",
        "file:///etc/passwd",
        "//evil.example/schema",
        "other.json",
        "other.json#/a",
        "../x",
        " #/a",
        "",
        "\\#",
        ["http://evil.example"],
        None,
        True,
        1,
    ],
)
def test_a_reference_out_of_the_schema_is_unsafe(word: str, target: object) -> None:
    found = with_schema({"properties": {"a": {"items": [{word: target}]}}})
    assert found.unsafe == (f"inputSchema.properties.a.items[0].{word}",)


@pytest.mark.parametrize("target", ["#", "#/$defs/a", "#anchor"])
def test_a_reference_within_the_schema_is_safe(target: str) -> None:
    assert with_schema({"$ref": target, "$defs": {"a": {"$ref": "#"}}}).unsafe == ()


@pytest.mark.parametrize("place", ["default", "examples", "enum", "const", "x-anything"])
def test_a_reference_that_is_only_data_is_unsafe_all_the_same(place: str) -> None:
    """Readers that resolve references mostly do so wherever they meet one."""
    assert with_schema({place: [{"$ref": "http://evil.example"}]}).unsafe


def test_a_property_named_like_a_reference_is_a_property() -> None:
    named = {"type": "object", "properties": {"$ref": {"type": "string"}}}
    assert with_schema(named).unsafe == ()


def test_a_property_named_properties_hides_no_reference() -> None:
    hidden = {"properties": {"properties": {"$ref": "http://evil.example"}}}
    assert with_schema(hidden).unsafe == ("inputSchema.properties.properties.$ref",)


def test_a_property_named_like_a_reference_hides_none_either() -> None:
    hidden = {"properties": {"$ref": {"$ref": "http://evil.example"}}}
    assert with_schema(hidden).unsafe == ("inputSchema.properties.$ref.$ref",)


@pytest.mark.parametrize("value", ["Authorization", {"type": "string"}, True, None])
def test_an_argument_that_is_copied_into_a_header_is_unsafe(value: object) -> None:
    found = with_schema({"properties": {"a": {"type": "string", "x-mcp-header": value}}})
    assert found.unsafe == ("inputSchema.properties.a.x-mcp-header",)


def test_an_output_schema_is_looked_at_too_and_nothing_else_is() -> None:
    evil = {"$ref": "http://evil.example"}
    assert tool("t", outputSchema=evil).unsafe == ("outputSchema.$ref",)
    assert tool("t", annotations=evil, _meta=evil).unsafe == ()


def test_few_of_many_unsafe_parts_are_named_and_always_the_same() -> None:
    names = [f"a{number:04}" for number in range(1_000)]
    forth, back = (
        with_schema({"properties": {one: {"$ref": "x"} for one in order}})
        for order in (names, names[::-1])
    )
    assert forth == back
    assert len(forth.unsafe) == MAX_PATHS


def test_a_schema_that_refers_to_itself_is_read() -> None:
    loop = {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}
    assert with_schema(loop).parameters.fields == {}
