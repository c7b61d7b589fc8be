"""Tokens and JSON are read in their one form, or not at all."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governd.identity import jose
from tests.fakes.token_issuer import TokenIssuer, encode

TOKEN = f"{encode({'alg': 'ES256'})}.{encode({'sub': 'x'})}.{encode(b'signed')}"


def test_a_token_is_read() -> None:
    assert jose.read_token(TOKEN) == ({"alg": "ES256"}, {"sub": "x"})


BAD_TOKENS = {
    "nothing": "",
    "two parts": "e30.e30",
    "four parts": TOKEN + ".e30",
    "five parts, as of an encrypted one": "e30.e30.e30.e30.e30",
    "no signature": TOKEN.rpartition(".")[0] + ".",
    "no header": "." + TOKEN.partition(".")[2],
    "padding": TOKEN.replace(".", "=.", 1),
    "stray bits": f"e30.e30.{encode(b'1')[:-1]}R",
    "the wrong alphabet": f"e30.{encode({'x': '???>>>'}).replace('_', '/')}.AA",
    "a line break": TOKEN.replace(".", "\n.", 1),
    "a letter outside of ASCII": TOKEN + "é",
    "one letter too many": "e30.e30.A",
    "a header that is no object": f"{encode(['alg'])}.e30.AA",
    "claims that are no object": f"e30.{encode('claims')}.AA",
    "not UTF-8": f"e30.{encode(bytes([0x22, 0xFF, 0x22]))}.AA",
    "UTF-16": f"e30.{encode('{}'.encode('utf-16'))}.AA",
    "too long": f"e30.{encode({'x': 'x' * jose.MAX_TOKEN_BYTES})}.AA",
}


@pytest.mark.parametrize("text", BAD_TOKENS.values(), ids=BAD_TOKENS.keys())
def test_what_is_no_token_in_its_one_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        jose.read_token(text)


@given(st.text() | st.text("e30.AZ_-=").map(lambda text: f"{TOKEN}{text}"))
def test_whatever_comes_is_a_token_or_refused(text: str) -> None:
    try:
        header, claims = jose.read_token(text)
    except ValueError:
        return
    assert isinstance(header, dict)
    assert isinstance(claims, dict)


@given(st.binary())
def test_bytes_have_one_form(data: bytes) -> None:
    form = base64.urlsafe_b64encode(data).rstrip(b"=")
    assert jose.decode(form) == data


@given(st.text("AQZaz09-_+/=\n", max_size=9))
def test_what_is_decoded_was_in_that_form(text: str) -> None:
    try:
        decoded = jose.decode(text.encode())
    except ValueError:
        return
    assert base64.urlsafe_b64encode(decoded).rstrip(b"=").decode() == text


BAD_OBJECTS = [
    b"",
    b"{",
    b"[]",
    b"1",
    b'{"a": 1, "a": 2}',
    b'{"a": {"b": 1, "b": 1}}',
    b'{"a": NaN}',
    b'{"a": Infinity}',
    b'{"a": -Infinity}',
    b'{"a": 1e999}',
    b"[" * 20_000,
    b'{"a":' * 20_000,
    b'{"a": ' + b"1" * 5000 + b"}",
    b"\xff",
]


@pytest.mark.parametrize("text", BAD_OBJECTS, ids=range(len(BAD_OBJECTS)))
def test_what_two_readers_could_read_differently_is_no_object(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        jose.read_object(text)


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.floats(allow_nan=False)))
def test_an_object_is_read_as_it_was_written(members: dict[str, object]) -> None:
    text = json.dumps(members)
    if "Infinity" not in text:
        assert jose.read_object(text.encode()) == members


@pytest.mark.parametrize("value", [0, 1.5, 1_800_000_000, jose.MAX_SECONDS])
def test_a_moment_is_seconds(value: float) -> None:
    assert jose.read_seconds(value) == value


@pytest.mark.parametrize("value", [True, "1", None, [1], -1, jose.MAX_SECONDS + 1, 10**400])
def test_what_has_no_date_is_no_moment(value: object) -> None:
    with pytest.raises(ValueError, match="no "):
        jose.read_seconds(value)


@pytest.mark.parametrize(("value", "names"), [("a", {"a"}), (["a", "b", "a"], {"a", "b"})])
def test_audiences_are_one_text_or_several(value: object, names: set[str]) -> None:
    assert jose.read_audiences(value) == names


@pytest.mark.parametrize("value", [None, 1, [], ["a", 1], {"a": 1}, [["a"]]])
def test_other_things_are_no_audience(value: object) -> None:
    with pytest.raises(ValueError, match="expected"):
        jose.read_audiences(value)


def test_a_signed_token_is_read() -> None:
    issuer = TokenIssuer()
    assert jose.read_token(issuer.token()) == (issuer.header(), issuer.claims())
