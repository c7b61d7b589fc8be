"""What a tool's schema says of its arguments is typed as far as Cedar can type it."""

from typing import Any

import pytest

from governd.policy.argument_types import Record, Scalar, SetOf
from governd.policy.decision import DecisionCode
from governd.policy.input_schema import (
    MAX_DEPTH,
    MAX_NODES,
    MAX_PROPERTIES,
    _Reader,
    read_parameters,
)
from tests.policies import ask, compiled, server_file

STRING = {"type": "string"}
NULL = {"type": "null"}
TEXT, NUMBER = Scalar("String"), Scalar("decimal")
OPTIONS = {"type": "object", "properties": {"b": STRING}, "required": ["b"]}
"""An object with one member."""


def read_one(schema: object, **beside: object) -> object:
    """The type of one argument; ``beside`` stands beside the properties."""
    whole = {"type": "object", "properties": {"a": schema}, **beside}
    return read_parameters(whole).fields.get("a")


TYPED: dict[str, tuple[object, object]] = {
    "string": (STRING, TEXT),
    "integer": ({"type": "integer"}, Scalar("Long")),
    "number": ({"type": "number"}, NUMBER),
    "boolean": ({"type": "boolean"}, Scalar("Bool")),
    "array": ({"type": "array", "items": STRING}, SetOf(TEXT)),
    "array of arrays": (
        {"type": "array", "items": {"type": "array", "items": STRING}},
        SetOf(SetOf(TEXT)),
    ),
    "object": ({"type": "object", "properties": {"b": STRING}}, Record({"b": TEXT})),
    "object with a required member": (OPTIONS, Record({"b": TEXT}, frozenset({"b"}))),
    "array of objects": (
        {"type": "array", "items": {"type": "object", "properties": {"b": STRING}}},
        SetOf(Record({"b": TEXT})),
    ),
    "nullable by a list": ({"type": ["string", "null"]}, TEXT),
    "nullable by a list, turned": ({"type": ["null", "integer"]}, Scalar("Long")),
    "a list of one type": ({"type": ["string"]}, TEXT),
    "a nullable array": ({"type": ["array", "null"], "items": STRING}, SetOf(TEXT)),
    "nullable by anyOf": ({"anyOf": [STRING, NULL]}, TEXT),
    "nullable by oneOf": ({"oneOf": [NULL, STRING]}, TEXT),
    "one alternative": ({"anyOf": [STRING]}, TEXT),
    "one of oneOf": ({"oneOf": [STRING]}, TEXT),
    "allOf of exactly one": ({"allOf": [STRING], "default": "x"}, TEXT),
    "alternatives of one type": ({"anyOf": [{"enum": ["a"]}, STRING, NULL]}, TEXT),
    "values with titles": (
        {"oneOf": [{"const": "a", "title": "A"}, {"const": "b", "title": "B"}]},
        TEXT,
    ),
    "alternatives within alternatives": ({"anyOf": [{"oneOf": [STRING]}, NULL]}, TEXT),
    "enum of strings": ({"enum": ["a", "b"]}, TEXT),
    "enum of integers": ({"enum": [1, 2]}, Scalar("Long")),
    "enum of integers, one with a point": ({"enum": [1, 2.0]}, Scalar("Long")),
    "enum of truth values": ({"enum": [True, False]}, Scalar("Bool")),
    "enum of fractions": ({"enum": [0.5, 1]}, NUMBER),
    "enum of strings and null": ({"enum": ["a", None]}, TEXT),
    "enum under its type": ({"type": "string", "enum": ["a", "b"]}, TEXT),
    "enum of integers under number": ({"type": "number", "enum": [1, 2]}, NUMBER),
    "enum under a nullable type": ({"type": ["string", "null"], "enum": ["a", None]}, TEXT),
    "an enum that allows nothing": ({"type": "string", "enum": []}, TEXT),
    "const": ({"const": "a"}, TEXT),
    "const under its type": ({"type": "integer", "const": 5}, Scalar("Long")),
    "type beside anyOf": ({"type": "string", "anyOf": [{"type": "integer"}]}, TEXT),
    "object beside what restricts it": (
        {**OPTIONS, "anyOf": [{"required": ["b"]}], "additionalProperties": False},
        Record({"b": TEXT}, frozenset({"b"})),
    ),
}


@pytest.mark.req("gi-5", part=True)
@pytest.mark.parametrize(("schema", "wanted"), TYPED.values(), ids=TYPED.keys())
def test_what_cedar_can_type_is_typed(schema: object, wanted: object) -> None:
    assert read_one(schema) == wanted


UNTYPED: dict[str, object] = {
    "nothing": {},
    "true": True,
    "a list": [],
    "null alone": NULL,
    "null as a value": {"const": None},
    "null as the only alternative": {"anyOf": [NULL]},
    "a union": {"type": ["string", "integer"]},
    "a union by anyOf": {"anyOf": [STRING, {"type": "integer"}]},
    "a union of integer and number": {"anyOf": [{"type": "integer"}, {"type": "number"}]},
    "a union of objects": {"oneOf": [OPTIONS, {"type": "object", "properties": {"c": STRING}}]},
    "a union with anything": {"anyOf": [STRING, {}]},
    "a union with false": {"anyOf": [STRING, False]},
    "no alternative": {"anyOf": []},
    "alternatives that are no list": {"anyOf": STRING},
    "anyOf and oneOf at once": {"anyOf": [STRING], "oneOf": [STRING]},
    "allOf of two": {"allOf": [STRING, {"maxLength": 5}]},
    "an unknown type": {"type": "text"},
    "a type that is a number": {"type": 1},
    "a type that is an object": {"type": {}},
    "an empty list of types": {"type": []},
    "a list of what are no types": {"type": [{}, []]},
    "an array of anything": {"type": "array"},
    "an array of tuples": {"type": "array", "items": [STRING]},
    "an array of tuples and more": {"type": "array", "prefixItems": [{}], "items": STRING},
    "an array of a union": {"type": "array", "items": {"type": ["string", "integer"]}},
    "an object without properties": {"type": "object"},
    "an object of any names": {"type": "object", "additionalProperties": STRING},
    "properties of no type": {"properties": {"b": STRING}},
    "enum of several types": {"enum": ["a", 1]},
    "enum of strings and truth values": {"enum": ["true", True]},
    "enum of objects": {"enum": [{}]},
    "enum that is no list": {"enum": "ab"},
    "enum of another type than stated": {"type": "string", "enum": [1, 2]},
    "enum of truth values under integer": {"type": "integer", "enum": [True]},
    "enum of fractions under integer": {"type": "integer", "enum": [1, 1.5]},
    "enum under an unknown type": {"type": "float", "enum": ["a"]},
    "enum of null under string": {"type": "string", "enum": [None]},
    "const of an object": {"type": "object", "properties": {}, "const": {}},
    "const of another type than stated": {"type": "string", "const": 1},
    "a schema with a name of its own": {"$id": "https://example.org/a", "type": "string"},
}


@pytest.mark.parametrize("schema", UNTYPED.values(), ids=UNTYPED.keys())
def test_what_cedar_cannot_type_is_left_out_and_listed(schema: object) -> None:
    record = read_parameters({"type": "object", "properties": {"a": schema}})
    assert (record.fields, record.untyped) == ({}, ("a",))


@pytest.mark.parametrize("schema", [None, [], {}, {"type": "string"}, {"type": "object"}])
def test_an_unreadable_schema_declares_nothing(schema: object) -> None:
    assert read_parameters(schema) == Record()


@pytest.mark.parametrize(
    "beside", [{}, {"type": "string"}, {"$ref": "https://example.org/s"}, {"$id": "x"}]
)
def test_arguments_are_an_object_whatever_else_their_schema_says(beside: dict[str, Any]) -> None:
    assert read_parameters({**beside, "properties": {"a": STRING}}).fields == {"a": TEXT}


DEFINITIONS = {
    "text": STRING,
    "again": {"$ref": "#/$defs/text"},
    "maybe": {"anyOf": [{"$ref": "#/$defs/text"}, NULL]},
    "options": OPTIONS,
    "a/b~c": STRING,
    "a b": STRING,
    "": STRING,
    "list": {"anyOf": [STRING, NULL]},
    "named": {"$id": "https://example.org/n", "$ref": "#/$defs/text"},
}
REFERRED: dict[str, tuple[object, object]] = {
    "a definition": ({"$ref": "#/$defs/text"}, TEXT),
    "a definition of draft-07": ({"$ref": "#/definitions/text"}, TEXT),
    "a definition that refers on": ({"$ref": "#/$defs/again"}, TEXT),
    "an object": ({"$ref": "#/$defs/options"}, Record({"b": TEXT}, frozenset({"b"}))),
    "within an array": ({"type": "array", "items": {"$ref": "#/$defs/text"}}, SetOf(TEXT)),
    "beside what only describes": (
        {"$ref": "#/$defs/text", "description": "d", "title": "t", "default": "x"},
        TEXT,
    ),
    "nullable": ({"anyOf": [{"$ref": "#/$defs/text"}, NULL]}, TEXT),
    "as pydantic 1 wrote it": ({"allOf": [{"$ref": "#/definitions/text"}], "title": "t"}, TEXT),
    "escaped by ~1 and ~0": ({"$ref": "#/$defs/a~1b~0c"}, TEXT),
    "escaped by %": ({"$ref": "#/%24defs/a%20b"}, TEXT),
    "an empty name": ({"$ref": "#/$defs/"}, TEXT),
    "an item of a list": ({"$ref": "#/$defs/list/anyOf/0"}, TEXT),
    "another argument": ({"$ref": "#/properties/other"}, TEXT),
}


@pytest.mark.req("gi-5", part=True)
@pytest.mark.parametrize(("schema", "wanted"), REFERRED.values(), ids=REFERRED.keys())
def test_a_reference_within_the_schema_is_followed(schema: object, wanted: object) -> None:
    beside = {"$defs": DEFINITIONS, "definitions": {"text": STRING}}
    whole = {"type": "object", "properties": {"a": schema, "other": STRING}, **beside}
    assert read_parameters(whole).fields["a"] == wanted


NOT_FOLLOWED: dict[str, object] = {
    "to another document": {"$ref": "https://example.org/schema.json"},
    "to another document's definition": {"$ref": "https://example.org/s#/$defs/text"},
    "to a file": {"$ref": "file:///etc/passwd"},
    "to a neighbour": {"$ref": "other.json#/$defs/text"},
    "to nothing": {"$ref": ""},
    "to what is not there": {"$ref": "#/$defs/nope"},
    "into a text": {"$ref": "#/$defs/text/type/0"},
    "beyond a list": {"$ref": "#/$defs/list/anyOf/2"},
    "before a list": {"$ref": "#/$defs/list/anyOf/-1"},
    "to a list": {"$ref": "#/$defs/list/anyOf"},
    "by an anchor": {"$ref": "#text"},
    "by a path without its slash": {"$ref": "#$defs/text"},
    "by a number": {"$ref": 1},
    "by a very long path": {"$ref": "#/$defs/text" + "/" * 256},
    "to the whole": {"$ref": "#"},
    "to itself": {"$ref": "#/properties/a"},
    "to a schema with a name of its own": {"$ref": "#/$defs/named"},
    "beside a type": {"$ref": "#/$defs/text", "type": "string"},
    "beside a restriction": {"$ref": "#/$defs/text", "maxLength": 5},
    "dynamically": {"$dynamicRef": "#/$defs/text"},
    "recursively": {"$recursiveRef": "#", "type": "string"},
}


@pytest.mark.parametrize("schema", NOT_FOLLOWED.values(), ids=NOT_FOLLOWED.keys())
def test_any_other_reference_is_not_followed(schema: object) -> None:
    assert read_one(schema, **{"$defs": DEFINITIONS}) is None


def test_all_arguments_may_be_behind_a_reference() -> None:
    """As zod-to-json-schema writes them."""
    whole = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$ref": "#/definitions/Args",
        "definitions": {"Args": {**OPTIONS, "properties": {"b": STRING, "c": {}}}},
    }
    assert read_parameters(whole) == Record({"b": TEXT}, frozenset({"b"}), ("c",))


def test_untyped_members_of_members_are_listed_by_their_path() -> None:
    inner = {"type": "object", "properties": {"filter": {}, "b": STRING}}
    within = {"type": "object", "properties": {"rows": {"type": "array", "items": inner}}}
    properties = {"options": inner, "list": {"type": "array", "items": within}, "any": {}}
    record = read_parameters({"type": "object", "properties": properties})
    assert record.untyped == ("options.filter", "list.rows.filter", "any")
    assert record.fields["options"] == Record({"b": TEXT}, untyped=("filter",))


@pytest.mark.req("gi-5", part=True)
def test_an_untyped_member_of_a_member_counts_as_undeclared() -> None:
    options = {"type": "object", "properties": {"filter": {}, "b": STRING}}
    tool = {
        "name": "t",
        "inputSchema": {"type": "object", "properties": {"options": options}},
        "annotations": {"destructiveHint": False},
    }
    policy = compiled(
        "permit (principal, action, resource);"
        'forbid (principal, action in Action::"tools/call", resource)'
        " when { context.args_undeclared };",
        extra={"tools/git.json": server_file(tools=[tool])},
    )
    for arguments, code in (
        ({"options": {"b": "x"}}, DecisionCode.PERMITTED),
        ({"options": {"b": "x", "filter": 1}}, DecisionCode.FORBIDDEN),
        ({"options": {"other": 1}}, DecisionCode.FORBIDDEN),
    ):
        assert ask(policy, resource="tool:git/t", arguments=arguments).code is code


def test_nesting_is_read_to_a_limit() -> None:
    schema: dict[str, Any] = STRING
    for _ in range(MAX_DEPTH):
        schema = {"type": "object", "properties": {"a": schema}}
    record, depth = read_parameters(schema), 1
    assert record.untyped == (".".join("a" * MAX_DEPTH),)
    while isinstance(inner := record.fields.get("a"), Record):
        record, depth = inner, depth + 1
    assert depth == MAX_DEPTH
    assert record.untyped == ("a",)


def test_alternatives_and_references_count_as_no_level() -> None:
    schema: dict[str, Any] = STRING
    definitions: dict[str, object] = {}
    for level in range(MAX_DEPTH - 2):
        definitions[f"d{level}"] = {"type": "object", "properties": {"a": schema}}
        schema = {"anyOf": [{"$ref": f"#/$defs/d{level}"}, NULL]}
    whole = {"type": "object", "properties": {"a": schema}, "$defs": definitions}
    assert not read_parameters(whole).untyped


def test_properties_are_read_to_a_limit() -> None:
    names = [f"p{number}" for number in range(MAX_PROPERTIES + 1)]
    many = {"type": "object", "properties": dict.fromkeys(names, STRING)}
    record = read_parameters(many)
    assert len(record.fields) == MAX_PROPERTIES
    assert record.untyped == (names[-1],)
    assert read_one(many) is None, "an object within has them all or is none"


def test_a_nullable_argument_is_not_required() -> None:
    properties = {
        "a": STRING,
        "b": {"type": ["string", "null"]},
        "c": True,
        "d": {"anyOf": [STRING, NULL]},
        "e": None,
        "f": {"$ref": "#/$defs/maybe"},
        "g": {"enum": ["a", None]},
        "h": {"oneOf": [{"allOf": [{"type": ["null", "object"], "properties": {}}]}]},
        "i": {"type": ["array", "null"], "items": STRING},
        "j": {"$ref": "#/$defs/again"},
    }
    schema = {"type": "object", "properties": properties, "required": [*properties, "z"]}
    assert read_parameters({**schema, "$defs": DEFINITIONS}).required == {"a", "j"}


def test_what_is_no_name_is_not_required() -> None:
    required = ["a", 1, None, True, 0.5, ["a"], {"a": "b"}, [[]]]
    schema = {"type": "object", "properties": {"a": STRING}, "required": required}
    assert read_parameters(schema).required == {"a"}


def test_a_required_that_is_no_list_requires_nothing() -> None:
    schema = {"type": "object", "properties": {"a": STRING}, "required": True}
    assert not read_parameters(schema).required


def chain(length: int, last: object) -> dict[str, object]:
    """Definitions that refer to one another, one after another."""
    links = {f"d{number}": {"$ref": f"#/$defs/d{number + 1}"} for number in range(length)}
    return {**links, f"d{length}": last}


def fan(levels: int, width: int, last: object = STRING) -> dict[str, object]:
    """Definitions each of which has the next several times: billion laughs."""
    laughs: dict[str, object] = {f"d{levels}": last}
    for level in range(levels):
        names = [f"p{number}" for number in range(width)]
        laughs[f"d{level}"] = {
            "type": "object",
            "properties": {name: {"$ref": f"#/$defs/d{level + 1}"} for name in names},
        }
    return laughs


def nested(levels: int, wrap: str) -> dict[str, Any]:
    """A schema that is so many levels deep."""
    schema: dict[str, Any] = STRING
    for _ in range(levels):
        schema = {wrap: [schema]} if wrap.endswith("Of") else {"type": "array", "items": schema}
    return schema


HUGE_ENUM = {"type": "string", "enum": ["x"] * 50_000}
HUGE_UNION = {"anyOf": [STRING] * 50_000}
ATTACKS: dict[str, tuple[object, dict[str, object]]] = {
    "a cycle of references": ({"$ref": "#/$defs/a"}, {"a": {"$ref": "#/$defs/a"}}),
    "a long cycle of references": ({"$ref": "#/$defs/d0"}, chain(99, {"$ref": "#/$defs/d0"})),
    "a long chain of references": ({"$ref": "#/$defs/d0"}, chain(10_000, STRING)),
    "a billion laughs": ({"$ref": "#/$defs/d0"}, fan(7, 20)),
    "a billion laughs of unions": (
        {"$ref": "#/$defs/d0"},
        {f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 10} for n in range(60)}
        | {"d60": STRING},
    ),
    "10,000 levels of arrays": (nested(10_000, "items"), {}),
    "10,000 levels of alternatives": (nested(10_000, "anyOf"), {}),
    "10,000 levels of allOf": (nested(10_000, "allOf"), {}),
    "a huge enum many times": ({"$ref": "#/$defs/d0"}, fan(2, 40, HUGE_ENUM)),
    "a huge union": (HUGE_UNION, {}),
    "100,000 members": (
        {"type": "object", "properties": dict.fromkeys(map(str, range(100_000)))},
        {},
    ),
    "more schemas than are read": ({"$ref": "#/$defs/d0"}, fan(2, 250)),
}


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Every schema that is looked at, once for each look."""
    seen: list[object] = []
    read = _Reader.read

    def counted(self: _Reader, schema: object, depth: int) -> object:
        seen.append(schema)
        return read(self, schema, depth)

    monkeypatch.setattr(_Reader, "read", counted)
    return seen


@pytest.mark.req("gi-5", part=True)
@pytest.mark.parametrize(("schema", "definitions"), ATTACKS.values(), ids=ATTACKS.keys())
def test_a_schema_that_blows_up_is_untyped_and_read_at_once(
    schema: object, definitions: dict[str, object], reads: list[object]
) -> None:
    properties = {"before": STRING, "a": schema}
    whole = {"type": "object", "properties": properties, "$defs": definitions}
    record = read_parameters(whole)
    assert (record.fields, record.untyped) == ({"before": TEXT}, ("a",))
    assert len(reads) <= MAX_NODES + 1


def test_an_object_within_itself_is_typed_up_to_itself() -> None:
    node = {"type": "object", "properties": {"value": STRING, "next": {"$ref": "#/$defs/node"}}}
    whole = {"properties": {"a": {"$ref": "#/$defs/node"}}, "$defs": {"node": node}}
    record = read_parameters(whole)
    assert record == Record({"a": Record({"value": TEXT}, untyped=("next",))}, untyped=("a.next",))
    list_of_self = {"type": "array", "items": {"$ref": "#/properties/a"}}
    assert read_one(list_of_self) is None


def test_what_comes_behind_too_much_is_untyped_too() -> None:
    properties = {"first": OPTIONS, "laughs": {"$ref": "#/$defs/d0"}, "last": STRING}
    record = read_parameters({"properties": properties, "$defs": fan(7, 20)})
    assert (list(record.fields), record.untyped) == (["first"], ("laughs", "last"))


def test_a_whole_schema_that_is_too_much_declares_nothing() -> None:
    union = {"anyOf": [{"type": "array", "items": {"$ref": "#/$defs/d0"}}]}
    assert read_parameters({**union, "$defs": fan(7, 20)}) == Record()
