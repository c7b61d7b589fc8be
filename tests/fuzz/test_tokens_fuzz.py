"""Answers of token endpoints, metadata and the tokens in them, whatever they hold.

Raw: bytes that may be anything. Structured: members and claims in their places with any value.
Each either is taken, and then keeps what is promised, or is refused with a rule.
"""

import base64
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governd.errors import TokenRefusedError
from governd.identity.secret import Secret
from governd.tokens import check, id_jag, metadata, reply, words
from governd.tokens.acting import Acting
from governd.tokens.check import AccessToken
from governd.tokens.client_key import read_client_key
from governd.tokens.clients import Client
from governd.tokens.faults import TokenFault
from governd.tokens.form import ClientProof, Target, token_exchange
from governd.tokens.reply import Reply
from governd.tokens.words import TypedToken
from tests.fakes.issued_tokens import (
    AGENT,
    AUDIENCE,
    CLIENT,
    IDP,
    ISSUER,
    NOW,
    OTHER,
    RESOURCE,
    SCOPES,
    USER,
    TokenServer,
    expected,
    expected_id_jag,
    members,
)
from tests.fakes.token_issuer import encode

SERVER = TokenServer()
RULES = {fault.value for fault in TokenFault}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
WORDS = st.sampled_from(["read", "write", "admin", "read write", "read admin", "", "a\nb"])
LIKELY: dict[str, st.SearchStrategy[Any]] = {
    "iss": st.sampled_from([ISSUER, IDP, ISSUER + "/"]),
    "aud": st.sampled_from([AUDIENCE, RESOURCE, ISSUER, "bank"])
    | st.lists(st.sampled_from([AUDIENCE, RESOURCE, ISSUER, "bank"]), max_size=3),
    "sub": st.sampled_from([USER, "root", AGENT]),
    "exp": st.sampled_from([NOW - 1, NOW, NOW + 29, NOW + 300, 10**12]) | st.floats(),
    "iat": st.sampled_from([NOW - 300, NOW, NOW + 60, NOW + 61]),
    "nbf": st.sampled_from([NOW - 300, NOW, NOW + 60, NOW + 61]),
    "jti": st.sampled_from(["token-2", "a\nb"]),
    "scope": WORDS | st.lists(WORDS, max_size=3),
    "scp": WORDS | st.lists(WORDS, max_size=3),
    "client_id": st.sampled_from([CLIENT, "chat"]),
    "azp": st.sampled_from([CLIENT, "chat"]),
    "act": st.sampled_from([{"sub": AGENT}, {"sub": OTHER}, {"sub": AGENT, "act": {"sub": OTHER}}]),
    "resource": st.sampled_from([RESOURCE, [RESOURCE], "https://bank.example"]),
    "cnf": st.just({"jkt": "x"}),
    "nonce": st.just("n"),
    "typ": st.sampled_from(["Bearer", "ID", "Refresh"]),
    "authorization_details": st.just([{"type": "payment"}]),
}
CLAIMS = st.fixed_dictionaries({}, optional={name: one | JSON for name, one in LIKELY.items()})
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "alg": st.sampled_from(["ES256", "none"]) | JSON,
        "typ": st.sampled_from(["at+jwt", "JWT", words.ID_JAG_TYP, "txntoken+jwt"]) | JSON,
        "crit": JSON,
    },
)
ANSWERS = st.fixed_dictionaries(
    {},
    optional={
        "access_token": st.text() | JSON,
        "token_type": st.sampled_from(["Bearer", "DPoP", "N_A"]) | JSON,
        "issued_token_type": st.sampled_from([words.ACCESS_TOKEN, words.ID_JAG]) | JSON,
        "expires_in": st.integers(-5, 10**6) | JSON,
        "scope": WORDS | JSON,
        "refresh_token": JSON,
        "error": st.sampled_from(["invalid_grant"]) | JSON,
        "authorization_details": JSON,
    },
)


def a_token(header: dict[str, Any], claims: dict[str, Any]) -> str:
    return f"{encode(header)}.{encode(claims)}.AAAA"


def read(text: bytes) -> Reply | None:
    """The answer; ``None`` where it is refused, with a rule and nothing else."""
    try:
        return reply.read(text, "application/json")
    except TokenRefusedError as error:
        assert error.metadata["rule"] in RULES
        return None


def taken(answer: Reply, **changes: Any) -> AccessToken | None:
    try:
        return check.accept(answer, expected(**changes), NOW)
    except TokenRefusedError as error:
        assert error.metadata["rule"] in RULES
        return None


def audiences_of(claims: dict[str, Any]) -> set[str]:
    audience = claims["aud"]
    return {audience} if isinstance(audience, str) else set(audience)


def words_of(value: object) -> set[str]:
    """The scopes of a claim, as a resource server may read it."""
    listed = value if isinstance(value, list) else str(value).split()
    return {word for word in listed if word}


@given(st.binary())
def test_any_bytes_are_an_answer_or_refused(text: bytes) -> None:
    read(text)


@given(st.binary(), st.text())
def test_any_bytes_are_a_refusal_of_which_a_code_is_kept(text: bytes, error: str) -> None:
    assert reply.read_refusal(400, text).error == ""
    found = reply.read_refusal(400, json.dumps({"error": error}).encode()).error
    assert found in {"", error}
    assert len(found) <= 64
    assert found == "" or found.replace("_", "a").isalpha()


@given(ANSWERS)
def test_whatever_an_answer_says_it_is_read_within_its_bounds_or_refused(
    changed: dict[str, Any],
) -> None:
    found = read(json.dumps(members("token") | changed).encode())
    if found is not None:
        assert found.token.reveal().isascii()
        assert not set(found.token.reveal()) & set(b' \r\n\t\x00,;"')
        assert found.token_type == found.token_type.lower()
        assert found.expires_in is None or found.expires_in >= 0


@given(st.binary() | JSON.map(lambda found: json.dumps(found).encode()))
def test_any_bytes_are_metadata_or_refused(text: bytes) -> None:
    try:
        metadata.read(text, ISSUER)
    except TokenRefusedError as error:
        assert error.metadata["rule"] in RULES
    else:
        raise AssertionError


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "issuer": st.just(ISSUER) | JSON,
            "token_endpoint": st.from_regex(r"https?://[a-z.:/@?#\\0-9]*", fullmatch=True)
            | st.sampled_from([ISSUER + "/token", "https://login.example"])
            | JSON,
            "grant_types_supported": st.lists(st.text(max_size=5), max_size=3) | JSON,
        },
    )
)
def test_whatever_metadata_says_secrets_go_to_the_issuers_host(said: dict[str, Any]) -> None:
    whole = {"issuer": ISSUER, "token_endpoint": ISSUER + "/token"} | said
    try:
        found = metadata.read(json.dumps(whole).encode(), ISSUER)
    except TokenRefusedError as error:
        assert error.metadata == {"rule": "metadata"}
    else:
        assert found.issuer == whole["issuer"] == ISSUER
        after = found.token_endpoint.removeprefix("https://login.example")
        assert after != found.token_endpoint
        assert not after or after[0] in "/?" or after.startswith(":443")


@given(st.from_regex(r"https?://[a-z.:0-9]+(/[a-z/.]*)?", fullmatch=True))
def test_metadata_is_looked_for_on_the_issuers_host_only(issuer: str) -> None:
    host = "/".join(issuer.split("/")[:3])
    for location in metadata.locations(issuer):
        assert location.startswith(f"{host}/")
        assert "/.well-known/o" in location


@given(st.text(alphabet="abAB01-_.~+/="))
def test_any_token_is_taken_or_refused(text: str) -> None:
    found = read(json.dumps({"access_token": text, "token_type": "Bearer"}).encode())
    if found is not None:
        assert taken(found, exchanged=False) is None


RAW = st.binary(min_size=1) | JSON.map(lambda found: json.dumps(found).encode())


@given(RAW, RAW)
def test_any_bytes_in_the_parts_of_a_token_are_refused(header: bytes, claims: bytes) -> None:
    token = f"{encode(header)}.{encode(claims)}.AAAA"
    assert taken(SERVER.reply(token)) is None
    with pytest.raises(TokenRefusedError) as raised:
        id_jag.accept(SERVER.id_jag_reply(token), expected_id_jag(), NOW)
    assert raised.value.metadata["rule"] in RULES


@given(HEADERS, CLAIMS)
def test_whatever_a_token_claims_what_is_taken_keeps_every_promise(
    header: dict[str, Any], changed: dict[str, Any]
) -> None:
    claims = SERVER.claims(**SERVER.access_claims()) | changed
    found = taken(SERVER.reply(a_token(SERVER.header() | header, claims), expires_in=None))
    if found is not None:
        assert (claims["iss"], claims["sub"], claims["act"]["sub"]) == (ISSUER, USER, AGENT)
        assert audiences_of(claims) <= {AUDIENCE, RESOURCE}
        assert set(found.scopes) <= set(SCOPES)
        for name in ("scope", "scp"):
            assert words_of(claims.get(name, [])) <= set(SCOPES)
        assert NOW + 30 <= found.expires_at <= min(claims["exp"], NOW + 3600)
        assert math.isfinite(found.expires_at)
        assert claims.keys().isdisjoint({"cnf", "nonce"})
        assert {claims.get(name, CLIENT) for name in ("client_id", "azp")} == {CLIENT}


@given(HEADERS, CLAIMS)
def test_whatever_an_id_jag_claims_what_is_taken_keeps_every_promise(
    header: dict[str, Any], changed: dict[str, Any]
) -> None:
    claims = SERVER.claims(**SERVER.id_jag_claims()) | changed
    token = a_token(SERVER.header(typ=words.ID_JAG_TYP) | header, claims)
    try:
        found = id_jag.accept(SERVER.id_jag_reply(token), expected_id_jag(), NOW)
    except TokenRefusedError as error:
        assert error.metadata["rule"] in RULES
    else:
        assert (claims["iss"], claims["client_id"]) == (IDP, CLIENT)
        assert claims["aud"] in (ISSUER, [ISSUER])
        assert claims["act"]["sub"] == AGENT
        assert claims.get("resource", RESOURCE) in (RESOURCE, [RESOURCE])
        assert set(found.scopes) <= set(SCOPES)
        assert NOW < found.expires_at <= claims["exp"]
        assert "cnf" not in claims
        assert (header | {"typ": header.get("typ", words.ID_JAG_TYP)})["typ"].lower() == (
            words.ID_JAG_TYP
        )


FIXED = ("iss", "aud", "sub", "act", "client_id")


@given(st.sampled_from(FIXED), st.integers(0, 10**4), st.integers(0, 6))
def test_a_flipped_bit_of_what_a_token_names_is_refused(name: str, place: int, bit: int) -> None:
    claims = SERVER.claims(**SERVER.access_claims())
    text = bytearray(json.dumps(claims[name]).encode())
    inside = range(text.index(b'"', 1 if name == "act" else 0), len(text))
    text[inside[place % len(inside)]] ^= 1 << bit
    whole = json.dumps({one: said for one, said in claims.items() if one != name}).encode()
    payload = whole[:-1] + b", " + json.dumps(name).encode() + b": " + bytes(text) + b"}"
    token = f"{encode(SERVER.header(typ='at+jwt'))}.{encode(payload)}.AAAA"
    assert taken(SERVER.reply(token)) is None or same(payload, claims)


def same(payload: bytes, claims: dict[str, Any]) -> bool:
    """Whether a changed payload still says the same: a space may be another one in JSON."""
    return bool(json.loads(payload) == claims)


@given(st.lists(st.sampled_from(["read", "write", "admin"]), unique=True), WORDS, WORDS)
def test_accepted_scopes_are_never_wider_than_asked(
    asked: list[str], claimed: str, answered: str
) -> None:
    claims = SERVER.claims(**SERVER.access_claims()) | {"scope": claimed}
    text = json.dumps(
        {
            "access_token": a_token(SERVER.header(), claims),
            "token_type": "Bearer",
            "issued_token_type": words.ACCESS_TOKEN,
            "scope": answered,
        }
    )
    answer = read(text.encode())
    found = taken(answer, scopes=tuple(asked)) if answer else None
    if found is not None:
        assert words_of(claimed) | words_of(answered) | set(found.scopes) <= set(asked)


@given(st.integers(-600, 10**6), st.none() | st.integers(0, 10**6), st.integers(1, 86_400))
def test_a_token_is_never_handed_out_past_any_of_its_ends(
    life: int, answered: int | None, most: int
) -> None:
    token = SERVER.access_token(exp=int(NOW) + life)
    found = taken(SERVER.reply(token, expires_in=answered), max_lifetime=most)
    limits = [life, most] if answered is None else [life, answered, most]
    if found is None:
        assert min(limits) < 30
    else:
        assert found.expires_at == NOW + min(limits)


@given(ANSWERS, st.text(alphabet="ab-_.~+/", min_size=1))
def test_an_opaque_token_always_has_an_end(changed: dict[str, Any], text: str) -> None:
    answer = read(json.dumps(members(text) | changed | {"access_token": text}).encode())
    found = taken(answer, opaque=True, acting=Acting(None), client=Client(None)) if answer else None
    if found is not None:
        assert NOW + 30 <= found.expires_at <= NOW + 3600
        assert set(found.scopes) <= set(SCOPES)


@given(st.binary() | st.binary().map(base64.b64encode))
def test_any_bytes_are_no_private_key(text: bytes) -> None:
    for pem in (text, b"-----BEGIN PRIVATE KEY-----\n" + text + b"\n-----END PRIVATE KEY-----\n"):
        try:
            read_client_key(Secret(pem))
        except ValueError as error:
            assert str(error) == "expected one private key in PEM, without a password"
        else:
            raise AssertionError


@given(st.text(st.characters(codec="utf-8")), st.binary(), st.text(st.characters(codec="utf-8")))
def test_no_value_of_a_form_becomes_a_parameter(audience: str, secret: bytes, scope: str) -> None:
    client = ClientProof(CLIENT, words.ASSERTED_BY_JWT, Secret(b"signed"))
    subject = TypedToken(Secret(secret), words.ID_TOKEN)
    form = token_exchange(Target(None, audience, (scope,)), subject, None, client)
    pairs = [pair.split(b"=") for pair in form.encode().reveal().split(b"&")]
    assert [name.decode() for name, _ in pairs] == list(form.names)
