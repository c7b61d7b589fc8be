"""An answer is read strictly, and of a refusal nothing is kept but a code."""

import json
from typing import Any

import pytest

from governd.errors import TokenRefusedError
from governd.identity import jose
from governd.identity.secret import Secret
from governd.tokens import words
from governd.tokens.reply import MAX_BYTES, Refusal, Reply, read, read_refusal, refused
from tests.fakes.issued_tokens import members

TOKEN = "abc.DEF-_~+/123=="


def body(**changes: Any) -> bytes:
    return json.dumps(members(TOKEN, **changes)).encode()


def rule(body: bytes, content_type: str = "application/json") -> str:
    """Which rule it breaks. Nothing of the answer is in the message."""
    with pytest.raises(TokenRefusedError) as raised:
        read(body, content_type)
    assert not any(part in str(raised.value) for part in (TOKEN, "evil"))
    assert raised.value.__cause__ is None
    return raised.value.metadata["rule"]


def test_an_answer_gives_a_token() -> None:
    found = read(body(scope="write read"), "application/json")
    assert found == Reply(
        token=Secret(TOKEN.encode()),
        token_type="bearer",
        issued_token_type=words.ACCESS_TOKEN,
        expires_in=300,
        scopes=("read", "write"),
        more=False,
    )
    assert TOKEN not in repr(found)


def test_what_an_answer_need_not_say_it_may_leave_out() -> None:
    found = read(body(issued_token_type=None, expires_in=None), "application/json")
    assert (found.issued_token_type, found.expires_in, found.scopes) == (None, None, None)


def test_a_refresh_token_is_never_kept() -> None:
    found = read(body(refresh_token="evil", id_token="evil"), "application/json")
    assert not any("evil" in repr(part) for part in found)
    assert found == read(body(), "application/json")


@pytest.mark.parametrize(
    "content_type",
    ["application/json;charset=UTF-8", "Application/JSON", "application/json ; charset=utf-8"],
)
def test_an_answer_is_json_with_any_parameters(content_type: str) -> None:
    assert read(body(), content_type).expires_in == 300


@pytest.mark.parametrize(
    "content_type",
    ["", "text/html", "text/plain", "application/jwt", "application/jsonp", "json", ";"],
)
def test_attack_an_answer_of_another_type(content_type: str) -> None:
    assert rule(body(), content_type) == "malformed"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"null",
        b"[]",
        b'"evil"',
        b"<html>evil</html>",
        b"\xff\xfe",
        body()[:-1],
        body() + b"{}",
        body()[:-1] + b', "access_token": "evil"}',
        body()[:-1] + b', "scope": "read", "scope": "admin"}',
        body()[:-1] + b', "x": NaN}',
        body()[:-1] + b', "x": "\\ud800"}',
        body()[:-1] + b', "x": ' + b"[" * 20 + b"]" * 20 + b"}",
        b'{"x":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    ],
    ids=[
        *("empty", "null", "list", "text", "HTML", "no UTF-8", "cut", "two", "token twice"),
        *("scope twice", "not a number", "half a pair", "deep", "deeper than the stack"),
    ],
)
def test_attack_an_answer_that_two_readers_could_read_differently(text: bytes) -> None:
    assert rule(text) == "malformed"


def test_attack_a_huge_answer() -> None:
    assert rule(body(evil="a" * MAX_BYTES)) == "too_large"


def test_attack_a_huge_token() -> None:
    fits = "a" * jose.MAX_TOKEN_BYTES
    assert read(body(access_token=fits), "application/json").token == Secret(fits.encode())
    assert rule(body(access_token=fits + "a")) == "too_large"


@pytest.mark.parametrize(
    "token",
    [
        "",
        None,
        5,
        True,
        ["evil"],
        {"evil": 1},
        "evil token",
        "evil\r\nX-Admin: 1",
        "evil\x00",
        "evil,Basic",
        "évil",
        'evil"',
        "=evil",
    ],
)
def test_attack_a_token_that_would_be_more_than_a_token_in_a_header(token: object) -> None:
    assert rule(body(access_token=token)) == "malformed"


@pytest.mark.parametrize("name", ["token_type", "issued_token_type"])
@pytest.mark.parametrize("kind", ["", 5, True, ["Bearer"], {}, "a" * 129, "evil type", "évil"])
def test_a_type_that_is_no_name_is_refused(name: str, kind: object) -> None:
    assert rule(body(**{name: kind})) == "malformed"


def test_a_token_without_a_type_is_refused() -> None:
    assert rule(body(token_type=None)) == "malformed"


@pytest.mark.parametrize("kind", ["Bearer", "bearer", "BEARER"])
def test_a_token_type_has_any_case(kind: str) -> None:
    assert read(body(token_type=kind), "application/json").token_type == "bearer"


@pytest.mark.parametrize("seconds", [-1, -(2**53), 300.0, 0.5, True, False, "300", [300], {}])
def test_attack_an_end_that_is_no_number_of_seconds(seconds: object) -> None:
    assert rule(body(expires_in=seconds)) == "malformed"


@pytest.mark.parametrize("text", ["1e400", "1e30", "9" * 30, "9" * 5000, "-0.0", "Infinity"])
def test_attack_an_end_beyond_all_numbers(text: str) -> None:
    assert rule(body(expires_in=1).replace(b": 1", b": " + text.encode())) == "malformed"


@pytest.mark.parametrize("seconds", [0, 1, 2**53 - 1])
def test_whole_seconds_are_read_however_many(seconds: int) -> None:
    assert read(body(expires_in=seconds), "application/json").expires_in == seconds


@pytest.mark.parametrize(
    ("text", "found"), [("", ()), ("read", ("read",)), ("write read write", ("read", "write"))]
)
def test_scopes_have_one_form(text: str, found: tuple[str, ...]) -> None:
    assert read(body(scope=text), "application/json").scopes == found


@pytest.mark.parametrize("scope", [5, True, ["read"], {}, 'a"b', "a\tb", "ä", "a" * 257])
def test_scopes_that_are_none_are_refused(scope: object) -> None:
    assert rule(body(scope=scope)) == "malformed"


@pytest.mark.parametrize(("details", "more"), [([{"type": "x"}], True), ([], False), ("x", True)])
def test_authorization_details_are_noticed(details: object, more: bool) -> None:
    assert read(body(authorization_details=details), "application/json").more is more


@pytest.mark.parametrize(
    "error", ["invalid_request", "invalid_grant", "temporarily_unavailable", "a" * 64]
)
def test_a_refusal_has_a_code(error: str) -> None:
    text = json.dumps({"error": error, "error_description": "evil", "error_uri": "evil"})
    assert read_refusal(400, text.encode()) == Refusal(400, error)


@pytest.mark.parametrize(
    "error",
    [
        "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiI3ZjNjIn0.c2lnbmF0dXJl",
        "hunter2",
        "Invalid Grant",
        "invalid_grant\r\nx",
        "_",
        "a__b",
        "a_",
        "ungültig",
        "a" * 65,
        "",
        None,
        5,
        ["invalid_grant"],
        {},
    ],
)
def test_attack_a_code_that_is_a_secret_or_a_line_of_its_own(error: object) -> None:
    assert read_refusal(400, json.dumps({"error": error}).encode()) == Refusal(400, "")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"<html>evil</html>",
        b"\xff",
        b'{"error": "invalid_grant", "error": "invalid_client"}',
        b'{"error": "invalid_grant", "x": "' + b"a" * MAX_BYTES + b'"}',
        b"[" * 60_000,
    ],
    ids=["empty", "list", "HTML", "no UTF-8", "twice", "huge", "deep"],
)
def test_a_refusal_that_cannot_be_read_is_one_without_a_code(text: bytes) -> None:
    assert read_refusal(502, text) == Refusal(502, "")


@pytest.mark.parametrize(
    ("refusal", "words", "facts"),
    [
        (Refusal(400, "invalid_target"), "refused: invalid_target", {"error": "invalid_target"}),
        (Refusal(401, ""), "refused: status 401, without a code", {}),
    ],
)
def test_a_refusal_is_told_with_its_code(
    refusal: Refusal, words: str, facts: dict[str, str]
) -> None:
    with pytest.raises(TokenRefusedError, match=words) as raised:
        refused(refusal)
    assert raised.value.metadata == {"rule": "refused", **facts}
