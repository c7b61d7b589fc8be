"""Whatever comes as arguments, or as their schema: values that keep the rules, or a refusal."""

import json
from decimal import Decimal
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from governd.errors import ArgumentsError
from governd.policy.argument_types import Record
from governd.policy.arguments import ArgumentLimits, Value, parse_arguments
from governd.policy.input_schema import read_parameters
from tests.policies import ask, compiled, server_file

LIMITS = ArgumentLimits(max_bytes=2048, max_depth=5)
PIECES = st.sampled_from(
    [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        '"a"',
        '"__entity"',
        '"__extn"',
        "1",
        "1e9",
        "1e-9",
        "-0.0",
        "999999999999999999999999999999",
        "NaN",
        "null",
        "true",
        '"\\u0000"',
        '"\\ud800"',
        "é",
        '"',
        "\\",
        *list(" \ufeff"),
    ]
)
NAMES = st.sampled_from(["a", "b", "__entity", "__extn", "\0", "é", ""])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
TREES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
)


def keeps_the_rules(value: "Value | None", depth: int) -> bool:
    match value:
        case bool() | None:
            return True
        case int():
            return -(2**63) <= value < 2**63
        case Decimal():
            exponent = value.as_tuple().exponent
            return isinstance(exponent, int) and exponent >= -4
        case str():
            return "\0" not in value and not any("\ud800" <= char <= "\udfff" for char in value)
        case list():
            return depth > 0 and all(keeps_the_rules(item, depth - 1) for item in value)
        case dict():
            names = all(keeps_the_rules(name, 0) and not name.startswith("__") for name in value)
            members = all(keeps_the_rules(member, depth - 1) for member in value.values())
            names = names and None not in value.values()
            return depth > 0 and names and members


def check(text: bytes) -> None:
    try:
        arguments = parse_arguments(text, LIMITS)
    except ArgumentsError as error:
        assert error.field.startswith("context.arguments_json")
        str(error).encode()
        return
    assert keeps_the_rules(dict(arguments.members), LIMITS.max_depth)


@given(st.binary(max_size=200))
@example(b"[" * 2000)
@example(b'{"a":' * 400)
@example(b'{"a":0e999999999}')
def test_any_bytes(text: bytes) -> None:
    check(text)


@given(st.lists(PIECES, max_size=20).map("".join))
def test_pieces_of_json(text: str) -> None:
    check(text.encode("utf-8"))


@given(st.dictionaries(NAMES, TREES, max_size=3))
def test_json_as_libraries_write_it(value: dict[str, Any]) -> None:
    check(json.dumps(value).encode())


ARGUMENT_NAMES = st.sampled_from(["a", "b", "c", "d"])
POINTERS = st.sampled_from(
    ["#", "#/$defs/a", "#/$defs/b", "#/properties/a", "#/properties/a/items", "x#/$defs/a"]
)
PLAIN_SCHEMAS = st.sampled_from(
    [
        *({"type": kind} for kind in ("string", "integer", "number", "boolean", "null")),
        *({"enum": values} for values in (["x", "y"], [1, 2], [0.5], [True], ["x", 1, None])),
        *({}, True, {"const": "x"}, {"type": ["string", "null"]}, {"type": "object"}),
    ]
)
INPUT_SCHEMAS: st.SearchStrategy[Any] = st.recursive(
    PLAIN_SCHEMAS | st.fixed_dictionaries({"$ref": POINTERS}),
    lambda inner: st.one_of(
        st.fixed_dictionaries({"type": st.just("array"), "items": inner}),
        st.fixed_dictionaries(
            {
                "type": st.just("object"),
                "properties": st.dictionaries(ARGUMENT_NAMES, inner, max_size=3),
                "required": st.lists(ARGUMENT_NAMES, max_size=2),
            }
        ),
        st.dictionaries(
            st.sampled_from(["anyOf", "oneOf", "allOf"]),
            st.lists(inner, min_size=1, max_size=2),
            min_size=1,
            max_size=1,
        ),
    ),
    max_leaves=8,
)
TOOLS = st.fixed_dictionaries(
    {
        "type": st.just("object"),
        "properties": st.dictionaries(ARGUMENT_NAMES, INPUT_SCHEMAS, max_size=4),
        "$defs": st.dictionaries(ARGUMENT_NAMES, INPUT_SCHEMAS, max_size=3),
    }
)
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["x", "y", 0.5, 1.0]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(ARGUMENT_NAMES, inner, max_size=3),
    max_leaves=6,
)


@given(TOOLS)
def test_every_argument_is_typed_or_listed(schema: dict[str, Any]) -> None:
    record = read_parameters(schema)
    untyped = [path for path in record.untyped if "." not in path]
    assert {*record.fields, *untyped} == set(schema["properties"])
    assert record.fields.keys().isdisjoint(untyped)
    assert record.required <= record.fields.keys()
    check_untyped(record)


def check_untyped(record: Record) -> None:
    """What is untyped in a member is listed by the path through it."""
    for name, member in record.fields.items():
        if isinstance(member, Record):
            assert {f"{name}.{path}" for path in member.untyped} <= set(record.untyped)
            check_untyped(member)


@given(TOOLS, st.dictionaries(ARGUMENT_NAMES, ANYTHING, max_size=4))
def test_whatever_is_typed_cedar_takes_it(schema: dict[str, Any], sent: dict[str, Any]) -> None:
    """A type that Cedar would not hold the call to would show as UNKNOWN_RESOURCE."""
    tool = {"name": "t", "inputSchema": schema, "annotations": {"destructiveHint": False}}
    policy = compiled(
        "permit (principal, action, resource);", extra={"tools/git.json": server_file(tools=[tool])}
    )
    decision = ask(policy, resource="tool:git/t", arguments=sent)
    assert decision.code.name in {"PERMITTED", "ARGUMENTS_MISMATCH"}
