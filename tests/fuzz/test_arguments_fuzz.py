"""Whatever bytes a caller sends as arguments: a value that keeps the rules, or a refusal."""

import json
from decimal import Decimal
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from governd.errors import ArgumentsError
from governd.policy.arguments import ArgumentLimits, Value, parse_arguments

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
