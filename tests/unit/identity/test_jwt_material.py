"""An issuer's tokens and key sets are believed only if they hold what they promise."""

import base64
import contextlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governd.errors import InvalidIdentityError
from governd.identity import SpiffeId, jwt_material

WEB = SpiffeId.parse("spiffe://example.org/web")
EXP = 1_800_000_000
CLAIMS = {"sub": str(WEB), "aud": ["bank"], "exp": EXP}
KEY = {"kty": "EC", "kid": "1", "crv": "P-256", "x": "AA", "y": "AA"}


def encoded(part: object) -> str:
    text = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def token(header: object = None, claims: object = None, signature: bytes = b"signed") -> str:
    parts = ({"alg": "ES256"} if header is None else header, CLAIMS if claims is None else claims)
    return ".".join([*map(encoded, parts), encoded(signature)])


@pytest.mark.parametrize("algorithm", ["RS256", "ES384", "PS512"])
@pytest.mark.parametrize("audience", ["bank", ["bank"]])
def test_a_token_that_holds_is_taken_as_it_is(algorithm: str, audience: object) -> None:
    text = token({"alg": algorithm, "kid": "1", "typ": "JWT"}, {**CLAIMS, "aud": audience})
    svid = jwt_material.jwt_svid(WEB, text, ["bank"], hint="internal")
    assert (svid.spiffe_id, svid.hint) == (WEB, "internal")
    assert svid.token.reveal() == text.encode()
    assert svid.not_after == datetime.fromtimestamp(EXP, UTC)


def test_every_audience_that_was_asked_for_is_in_it() -> None:
    text = token(claims={**CLAIMS, "aud": ["b", "a"]})
    assert jwt_material.jwt_svid(WEB, text, ["a", "b", "a"]).spiffe_id == WEB


BAD = {
    "nothing": "",
    "two parts": "e30.e30",
    "four parts": token() + ".e30",
    "no signature": token(signature=b""),
    "no header": "." + token().partition(".")[2],
    "padding": token().replace(".", "=.", 1),
    "bits that say nothing": token(signature=b"1")[:-1] + "R",
    "the wrong alphabet": token(claims={**CLAIMS, "x": "???>>>"}).replace("_", "/"),
    "a letter outside of ASCII": token() + "é",
    "no base64": "!" + token(),
    "a header that is no object": token(header=["ES256"]),
    "claims that are no object": token(claims="claims"),
    "a member twice": token(claims=b'{"sub": "a", "sub": "b"}'),
    "not a number": token(claims=json.dumps(CLAIMS).replace(str(EXP), "NaN").encode()),
    "not a number in a claim of no interest": token(
        claims=json.dumps({**CLAIMS, "x": 1.5}).replace("1.5", "NaN").encode()
    ),
    "not UTF-8": token(claims=b'"\xff"'),
    "UTF-16": token(claims=json.dumps(CLAIMS).encode("utf-16")),
    "deep nesting": token(claims=b"[" * 11_000),
    "too long": token(claims={**CLAIMS, "x": "x" * 20_000}),
    "algorithm none": token(header={"alg": "none"}),
    "algorithm of a shared key": token(header={"alg": "HS256"}),
    "algorithm EdDSA": token(header={"alg": "EdDSA"}),
    "no algorithm": token(header={}),
    "an algorithm that is no text": token(header={"alg": 1}),
    "another subject": token(claims={**CLAIMS, "sub": "spiffe://example.org/other"}),
    "no subject": token(claims={"aud": ["bank"], "exp": EXP}),
    "another audience": token(claims={**CLAIMS, "aud": ["shop"]}),
    "one audience more": token(claims={**CLAIMS, "aud": ["bank", "shop"]}),
    "no audience": token(claims={"sub": str(WEB), "exp": EXP}),
    "an audience that is no text": token(claims={**CLAIMS, "aud": [1]}),
    "no end": token(claims={"sub": str(WEB), "aud": ["bank"]}),
    "a text for an end": token(claims={**CLAIMS, "exp": str(EXP)}),
    "true for an end": token(claims={**CLAIMS, "exp": True}),
    "an end beyond all dates": token(claims={**CLAIMS, "exp": 10**20}),
    "an infinite end": token(claims=json.dumps(CLAIMS).replace(str(EXP), "1e999").encode()),
}


@pytest.mark.req("sa-3", part=True)
@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_a_token_that_does_not_hold_is_refused(text: str) -> None:
    with pytest.raises(InvalidIdentityError) as raised:
        jwt_material.jwt_svid(WEB, text, ["bank"])
    assert raised.value.__cause__ is None
    assert len(str(raised.value)) < 150


@given(st.text() | st.text("e30. {}").map(lambda text: token() + text))
def test_whatever_comes_is_a_token_or_refused(text: str) -> None:
    with contextlib.suppress(InvalidIdentityError):
        assert jwt_material.jwt_svid(WEB, text, ["bank"]).spiffe_id == WEB


@pytest.mark.parametrize("keys", [[], [KEY], [KEY, {**KEY, "kid": "2", "use": "jwt-svid"}]])
def test_a_key_set_that_holds_is_taken_as_it_is(keys: object) -> None:
    document = json.dumps({"keys": keys, "spiffe_sequence": 1}).encode()
    assert jwt_material.key_set(document) == document


BAD_SETS: dict[str, Any] = {
    "no list": {"keys": {}},
    "no keys": {},
    "no object": [],
    "a key that is no object": {"keys": ["key"]},
    "a key that is a list": {"keys": [["kty", "kid"]]},
    "a key of no type": {"keys": [{"kid": "1"}]},
    "a type that is no text": {"keys": [{**KEY, "kty": 1}]},
    "a key without an id": {"keys": [{"kty": "EC"}]},
    "a key with an empty id": {"keys": [{**KEY, "kid": ""}]},
    "a key with a number for an id": {"keys": [{**KEY, "kid": 1}]},
    "two keys of one id": {"keys": [KEY, {**KEY, "x": "BB"}]},
    "a private key": {"keys": [{**KEY, "d": "AA"}]},
    "a shared key": {"keys": [{"kty": "oct", "kid": "1", "k": "AA"}]},
}


@pytest.mark.parametrize("document", BAD_SETS.values(), ids=BAD_SETS.keys())
def test_a_key_set_that_does_not_hold_is_refused(document: object) -> None:
    with pytest.raises(InvalidIdentityError):
        jwt_material.key_set(json.dumps(document).encode())


@pytest.mark.parametrize(
    "document", [b"", b"\xff", b"{", b'{"keys": [], "keys": []}', b"[" * 11_000]
)
def test_what_is_no_json_is_no_key_set(document: bytes) -> None:
    with pytest.raises(InvalidIdentityError):
        jwt_material.key_set(document)
