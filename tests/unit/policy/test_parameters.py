"""A policy about an argument judges exactly what the tool will see."""

import json
from decimal import Decimal
from typing import Any

import cedarpy
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from governd.policy.argument_types import Record, Scalar, SetOf, paths, quote, render
from governd.policy.arguments import ArgumentLimits, Value, parse_arguments
from governd.policy.input_schema import read_parameters
from governd.policy.parameters import project
from tests.policies import ask, compiled, server_file

STRING = {"type": "string"}


def test_types_are_rendered_in_cedars_syntax() -> None:
    record = Record({"a b": SetOf(Scalar("Long")), "c": Record()}, frozenset({"c"}))
    assert render(record) == '{ "a b"?: Set<Long>, "c": {  } }'


def test_what_a_policy_can_name_is_listed_by_path() -> None:
    inner = Record({"b": Scalar("String"), "c": SetOf(Record({"d": Scalar("Bool")}))})
    assert list(paths(Record({"a": inner, "e": Scalar("Long")}))) == ["a", "a.b", "a.c", "e"]


RECORD = read_parameters(
    {
        "type": "object",
        "properties": {
            "s": STRING,
            "i": {"type": "integer"},
            "d": {"type": "number"},
            "b": {"type": "boolean"},
            "l": {"type": "array", "items": STRING},
            "r": {"type": "object", "properties": {"x": STRING}, "required": ["x"]},
            "rs": {"type": "array", "items": {"type": "object", "properties": {"x": STRING}}},
        },
    }
)


def extension(text: str) -> dict[str, dict[str, str]]:
    return {"__extn": {"fn": "decimal", "arg": text}}


FITTING: dict[str, tuple[str, Value, object]] = {
    "a string": ("s", "x", "x"),
    "an empty string": ("s", "", ""),
    "false": ("b", False, False),
    "zero": ("i", 0, 0),
    "an integer written as a decimal": ("i", Decimal("5.0"), 5),
    "an integer written with an exponent": ("i", Decimal("9e18"), 9 * 10**18),
    "a decimal": ("d", Decimal("1.5"), extension("1.5000")),
    "a decimal written as an integer": ("d", 3, extension("3.0000")),
    "minus zero": ("d", Decimal("-0.0"), extension("-0.0000")),
    "a zero with a huge exponent": ("d", Decimal("0e999"), extension("0.0000")),
    "the largest decimal": (
        "d",
        Decimal("922337203685477.5807"),
        extension("922337203685477.5807"),
    ),
    "an empty list": ("l", [], []),
    "a list": ("l", ["x", "y"], ["x", "y"]),
    "an object": ("r", {"x": "y"}, {"x": "y"}),
}


@pytest.mark.parametrize(("name", "value", "wanted"), FITTING.values(), ids=FITTING.keys())
def test_a_value_of_the_declared_type_is_projected(name: str, value: Value, wanted: object) -> None:
    projection = project(RECORD, {name: value})
    assert (projection.args, projection.undeclared, projection.mismatched) == (
        {name: wanted},
        (),
        (),
    )


MISFITS: dict[str, tuple[str, Value, str]] = {
    "a number for a string": ("s", 1, "s"),
    "a truth value for a number": ("i", True, "i"),
    "a truth value for a decimal": ("d", False, "d"),
    "a number for a truth value": ("b", 1, "b"),
    "a string for a truth value": ("b", "true", "b"),
    "a string for a number": ("i", "1", "i"),
    "a string for a decimal": ("d", "1.0", "d"),
    "a fraction for an integer": ("i", Decimal("1.5"), "i"),
    "2^63 written as a decimal": ("i", Decimal("9223372036854775808.0"), "i"),
    "2^70 written with an exponent": ("i", Decimal("1.2e21"), "i"),
    "a decimal beyond Cedar's": ("d", Decimal("922337203685477.5808"), "d"),
    "a decimal below Cedar's": ("d", -(2**63), "d"),
    "a string for a list": ("l", "x", "l"),
    "null in a list": ("l", ["x", None], "l"),
    "a number in a list": ("l", ["x", 1], "l"),
    "a list for an object": ("r", [], "r"),
    "an object for a string": ("s", {}, "s"),
    "a missing member": ("r", {}, "r.x"),
    "a member of another type": ("r", {"x": 1}, "r.x"),
    "a member in a list": ("rs", [{"x": 1}], "rs.x"),
}


@pytest.mark.parametrize(("name", "value", "path"), MISFITS.values(), ids=MISFITS.keys())
def test_a_value_of_another_type_is_named(name: str, value: Value, path: str) -> None:
    projection = project(RECORD, {name: value})
    assert projection.mismatched == (path,)


def test_what_is_not_declared_is_named_at_any_depth_and_not_projected() -> None:
    projection = project(RECORD, {"z": 1, "r": {"x": "y", "z": 1}, "rs": [{"z": 1}], "S": "x"})
    assert projection.undeclared == ("z", "r.z", "rs.z", "S")
    assert projection.args == {"r": {"x": "y"}, "rs": [{}]}


TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)


@given(TEXTS)
@example("\0\t\r\n\"\\'")
@example("\x7f\x1b\u2028\ufeff\u202e")
@example("__cedar")
def test_a_quoted_text_is_read_back_by_cedar(text: str) -> None:
    written = f"permit (principal == Agent::{quote(text)}, action, resource);"
    (policy,) = json.loads(cedarpy.policies_to_json_str(written))["staticPolicies"].values()
    assert policy["principal"]["entity"]["id"] == text


@given(TEXTS)
@example("\0\t\r\n\"\\'")
@example("\x7f\x1b\u2028\ufeff\u202e")
def test_a_quoted_action_is_what_a_schema_declares(text: str) -> None:
    schema = cedarpy.Schema.from_str(
        f"entity A; action {quote(text)} appliesTo {{ principal: A, resource: A }};"
    )
    actions = json.loads(str(cedarpy.Entities.from_json_str("[]", schema)))
    assert [action["uid"]["id"] for action in actions] == [text]


PROPERTY_NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6).filter(
    lambda name: not name.startswith("__")
)
SCHEMAS: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.sampled_from([{"type": name} for name in ("string", "integer", "number", "boolean")]),
    lambda inner: st.one_of(
        inner.map(lambda items: {"type": "array", "items": items}),
        inner.map(lambda one: {"anyOf": [one, {"type": "null"}]}),
        st.dictionaries(PROPERTY_NAMES, inner, max_size=3).map(
            lambda properties: {
                "type": "object",
                "properties": properties,
                "required": sorted(properties)[:1],
            }
        ),
    ),
    max_leaves=6,
)


def values_of(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that mostly have the type, and sometimes another."""
    match schema:
        case {"type": "object", "properties": properties}:
            fitting: st.SearchStrategy[Any] = st.fixed_dictionaries(
                {}, optional={name: values_of(member) for name, member in properties.items()}
            )
        case {"type": "array", "items": items}:
            fitting = st.lists(values_of(items), max_size=2)
        case {"anyOf": [inner, _]}:
            fitting = st.none() | values_of(inner)
        case {"type": "string"}:
            fitting = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=4)
        case {"type": "boolean"}:
            fitting = st.booleans()
        case _:
            fitting = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([0.5, 1e18, -0.0, 5.0])
    return st.one_of(fitting, fitting, fitting, st.sampled_from([None, "x", 1, 1.5, [], {}]))


@st.composite
def calls(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """An input schema and arguments for it."""
    properties = draw(st.dictionaries(PROPERTY_NAMES, SCHEMAS, max_size=4))
    schema = {"type": "object", "properties": properties}
    arguments = draw(
        st.fixed_dictionaries(
            {}, optional={name: values_of(member) for name, member in properties.items()}
        )
    )
    return schema, arguments


@given(calls())
def test_what_is_projected_always_fits_the_generated_schema(
    call: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    """Cedar holds each request to the schema; a misfit would show as UNKNOWN_RESOURCE."""
    schema, arguments = call
    tool = {"name": "t", "inputSchema": schema, "annotations": {"destructiveHint": False}}
    policy = compiled(
        "permit (principal, action, resource);", extra={"tools/git.json": server_file(tools=[tool])}
    )
    decision = ask(policy, resource="tool:git/t", arguments=arguments)
    assert decision.code.name in {"PERMITTED", "ARGUMENTS_MISMATCH"}
    parsed = parse_arguments(json.dumps(arguments).encode(), ArgumentLimits()).members
    fits = not project(read_parameters(schema), parsed).mismatched
    assert decision.allowed is fits
