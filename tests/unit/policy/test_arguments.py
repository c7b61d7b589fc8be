"""No argument may pass that another reader could read differently."""

import hashlib
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governd.errors import ArgumentsError
from governd.policy.arguments import NO_ARGUMENTS, ArgumentLimits, Value, parse_arguments

LIMITS = ArgumentLimits(max_bytes=4096, max_depth=4)

REFUSED = {
    "duplicate members": (b'{"a":1,"a":1}', "twice"),
    "duplicate members, one escaped": (rb'{"a":1,"\u0061":2}', "twice"),
    "duplicate members, the first null": (b'{"a":null,"a":2}', "twice"),
    "duplicate members inside": (b'{"a":[{"b":1,"b":2}]}', "twice"),
    "__entity": (b'{"__entity":{"type":"Agent","id":"x"}}', "reserved"),
    "__entity inside": (b'{"a":[{"b":{"__entity":{}}}]}', "reserved"),
    "__entity, escaped": (rb'{"a":{"\u005f_entity":{}}}', "reserved"),
    "__extn": (b'{"a":{"__extn":{"fn":"ip","arg":"::1"}}}', "reserved"),
    "__extn whose value is null": (b'{"__extn":null}', "reserved"),
    "NaN": (b'{"a":NaN}', "NaN, which is not a number"),
    "Infinity": (b'{"a":Infinity}', "Infinity"),
    "minus Infinity": (b'{"a":[-Infinity]}', "-Infinity"),
    "2^63": (b'{"a":9223372036854775808}', "beyond 64 bits"),
    "-2^63 - 1": (b'{"a":-9223372036854775809}', "beyond 64 bits"),
    "2^70": (b'{"a":1180591620717411303424}', "beyond 64 bits"),
    "five thousand digits": (b'{"a":' + b"9" * 4000 + b"}", "beyond 64 bits"),
    "five fraction digits": (b'{"a":1.00001}', "more than 4 fraction digits"),
    "five fraction digits that are zeros": (b'{"a":1.00000}', "more than 4 fraction digits"),
    "seven fraction digits": (b'{"a":0.1234567}', "more than 4 fraction digits"),
    "fraction digits by exponent": (b'{"a":1e-5}', "more than 4 fraction digits"),
    "a long number": (b'{"a":1.' + b"0" * 60 + b"}", "more than 40 characters"),
    "a huge exponent": (b'{"a":1e400}', "out of range"),
    "an exponent that no number holds": (b'{"a":1e99999999999999999999}', "out of range"),
    "a leading zero": (b'{"a":01}', "is not JSON"),
    "a plus sign": (b'{"a":+1}', "is not JSON"),
    "hexadecimal": (b'{"a":0x10}', "is not JSON"),
    "invalid UTF-8": (b'{"a":"\xff"}', "not valid UTF-8"),
    "overlong UTF-8": (b'{"a":"\xc0\xaf"}', "not valid UTF-8"),
    "a surrogate in UTF-8": (b'{"a":"\xed\xa0\x80"}', "not valid UTF-8"),
    "UTF-16": ('{"a":1}'.encode("utf-16"), "not valid UTF-8"),
    "a byte order mark": (b'\xef\xbb\xbf{"a":1}', "is not JSON"),
    "NUL in a string": (rb'{"a":"x\u0000y"}', "NUL"),
    "NUL in a name": (rb'{"a\u0000":1}', "NUL"),
    "a bare NUL": (b'{"a":"\0"}', "is not JSON"),
    "a lone surrogate": (rb'{"a":["\ud800"]}', "surrogate"),
    "a lone surrogate in a name": (rb'{"\udfff":1}', "surrogate"),
    "a top-level array": (b"[]", "must be a JSON object"),
    "a top-level string": (b'"{}"', "must be a JSON object"),
    "a top-level null": (b"null", "must be a JSON object"),
    "white space alone": (b" ", "is not JSON"),
    "two values": (b"{}{}", "is not JSON"),
    "a trailing comma": (b'{"a":1,}', "is not JSON"),
    "a comment": (b'{"a":1}//', "is not JSON"),
    "single quotes": (b"{'a':1}", "is not JSON"),
    "a control character": (b'{"a":"\n"}', "is not JSON"),
    "too deep an object": (b'{"a":{"a":{"a":{"a":{}}}}}', "nested too deeply"),
    "too deep an array": (b'{"a":[[[[]]]]}', "nested too deeply"),
    "so deep that a parser overflows": (b'{"a":' + b"[" * 4000, "deeper than"),
    "one byte too many": (b'{"a":"' + b"x" * 4089 + b'"}', "the limit is 4096"),
}


@pytest.mark.parametrize(("text", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_what_two_readers_could_read_differently_is_refused(text: bytes, said: str) -> None:
    with pytest.raises(ArgumentsError) as refusal:
        parse_arguments(text, LIMITS)
    assert said in str(refusal.value)
    assert refusal.value.reason == "ARGUMENTS_INVALID"
    assert refusal.value.field.startswith("context.arguments_json")


TAKEN: dict[str, tuple[bytes, dict[str, Value]]] = {
    "2^63 - 1": (b'{"a":9223372036854775807}', {"a": 2**63 - 1}),
    "-2^63": (b'{"a":-9223372036854775808}', {"a": -(2**63)}),
    "four fraction digits": (b'{"a":0.1234}', {"a": Decimal("0.1234")}),
    "an exponent": (b'{"a":1.5e2}', {"a": Decimal("1.5e2")}),
    "a zero with a huge exponent": (b'{"a":0e999}', {"a": Decimal(0)}),
    "minus zero": (b'{"a":-0}', {"a": 0}),
    "as many bytes as the limit": (b'{"a":"' + b"x" * 4088 + b'"}', {"a": "x" * 4088}),
    "as deep as the limit": (b'{"a":{"a":{"a":{}}}}', {"a": {"a": {"a": {}}}}),
    "an array as deep as the limit": (b'{"a":[[[1]]]}', {"a": [[[1]]]}),
    "an escaped pair of surrogates": (rb'{"a":"\ud83d\ude00"}', {"a": "\N{GRINNING FACE}"}),
    "truth values": (b'{"a":true,"b":false}', {"a": True, "b": False}),
    "names that differ in case": (b'{"a":1,"A":2}', {"a": 1, "A": 2}),
    "names that only look alike": ('{"a":1,"а":2}'.encode(), {"a": 1, "а": 2}),
    "white space around": (b' {"a" : 1} \n', {"a": 1}),
}


@pytest.mark.parametrize(("text", "members"), TAKEN.values(), ids=TAKEN.keys())
def test_what_is_read_the_same_by_all_is_taken(text: bytes, members: dict[str, Value]) -> None:
    assert parse_arguments(text, LIMITS).members == members


def test_null_means_absent_in_objects_and_stays_in_lists() -> None:
    text = b'{"a":null,"b":{"c":null,"d":1},"e":[null,1]}'
    assert parse_arguments(text, LIMITS).members == {"b": {"d": 1}, "e": [None, 1]}


def test_nothing_is_no_arguments() -> None:
    assert parse_arguments(b"", LIMITS) is NO_ARGUMENTS
    assert NO_ARGUMENTS.digest == ""


def test_the_digest_is_of_the_very_bytes() -> None:
    text = b'{ "a":1}'
    wanted = "sha-256:" + hashlib.sha256(text).hexdigest()
    assert parse_arguments(text, LIMITS).digest == wanted


def test_the_error_says_where_and_never_what_a_string_holds() -> None:
    with pytest.raises(ArgumentsError) as refusal:
        parse_arguments(rb'{"outer":[1,{"inner":"s3cr3t\u0000"}]}', LIMITS)
    assert refusal.value.field == "context.arguments_json.outer[1].inner"
    assert "s3cr3t" not in str(refusal.value)


def test_a_long_name_does_not_flood_the_error() -> None:
    with pytest.raises(ArgumentsError) as refusal:
        parse_arguments(json.dumps({"n" * 2000: "\0"}).encode(), LIMITS)
    assert len(str(refusal.value)) < 200


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
NAMES = TEXT.filter(lambda name: name not in {"__entity", "__extn"})
PLAIN: st.SearchStrategy[Value] = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(NAMES, PLAIN, max_size=4))
def test_what_is_parsed_is_what_was_written(members: dict[str, Value]) -> None:
    assert parse_arguments(json.dumps(members).encode(), ArgumentLimits()).members == members


@given(st.integers())
def test_integers_are_exact_or_refused(number: int) -> None:
    text = f'{{"a":{number}}}'.encode()
    if -(2**63) <= number < 2**63:
        assert parse_arguments(text, LIMITS).members["a"] == number
    else:
        with pytest.raises(ArgumentsError):
            parse_arguments(text, LIMITS)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-999, max_value=999))
def test_decimals_are_exact_or_refused_never_rounded(number: Decimal) -> None:
    try:
        value = parse_arguments(f'{{"a":{number:f}}}'.encode(), LIMITS).members["a"]
    except ArgumentsError:
        return
    assert value == number
