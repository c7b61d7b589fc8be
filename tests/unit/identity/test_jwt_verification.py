"""A token is somebody's only if a key of their own trust domain says so, for us, and now."""

import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governd.errors import RequestError
from governd.identity import jose
from governd.identity.jwt_verification import LEEWAY, VerifiedToken, verify_jwt_svid
from tests.fakes.time import NOON
from tests.fakes.token_issuer import AUDIENCE, WEB, TokenIssuer, encode

OURS, THEIRS = TokenIssuer(key_id="ours"), TokenIssuer(key_id="theirs")
KEY_SETS = {"example.org": OURS.key_set(), "partner.example": THEIRS.key_set()}
NOW = NOON.timestamp()


def verified(token: str, audience: str = AUDIENCE, now: datetime = NOON) -> VerifiedToken:
    return verify_jwt_svid(token, audience, KEY_SETS, now)


def subject_of(token: str) -> str:
    return str(verified(token).spiffe_id)


def refused(token: str, audience: str = AUDIENCE, now: datetime = NOON) -> str:
    """Why a token is refused."""
    with pytest.raises(RequestError) as raised:
        verified(token, audience, now)
    assert raised.value.field == "svid"
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__, "a parser's words may quote the token"
    return str(raised.value).removeprefix("svid: ")


@pytest.mark.req("sa-3", part=True)
def test_a_token_for_us_is_its_subjects() -> None:
    found = verified(OURS.token(jti="7", nested={"a": [1]}))
    assert str(found.spiffe_id) == WEB
    assert found.not_after == NOON + timedelta(seconds=300)
    assert found.claims == OURS.claims(jti="7", nested={"a": [1]})


@pytest.mark.parametrize("algorithm", sorted(jose.ALGORITHMS))
def test_every_algorithm_of_the_standard_is_taken(algorithm: str) -> None:
    issuer = TokenIssuer(algorithm)
    key_sets = {"example.org": issuer.key_set()}
    found = verify_jwt_svid(issuer.token(), AUDIENCE, key_sets, NOON)
    assert str(found.spiffe_id) == WEB


@pytest.mark.parametrize("typ", ["JWT", "JOSE"])
def test_a_type_that_the_standard_names_is_taken(typ: str) -> None:
    assert subject_of(OURS.token(OURS.header(typ=typ))) == WEB


def test_a_token_needs_no_type() -> None:
    assert subject_of(OURS.token({"alg": "ES256", "kid": "ours"})) == WEB


@pytest.mark.parametrize("aud", [AUDIENCE, [AUDIENCE], ["shop", AUDIENCE]])
def test_we_are_among_its_audiences(aud: object) -> None:
    assert subject_of(OURS.token(aud=aud)) == WEB


def test_a_federated_domains_key_verifies_its_own_workloads() -> None:
    token = THEIRS.token(sub="spiffe://partner.example/web")
    assert verified(token).spiffe_id.trust_domain == "partner.example"


def unsigned(algorithm: str) -> str:
    return f"{encode({'alg': algorithm})}.{encode(OURS.claims())}."


def keyed_with_the_public_key(key: bytes) -> str:
    signed = f"{encode(OURS.header(alg='HS256'))}.{encode(OURS.claims())}"
    mac = hmac.new(key, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{encode(mac)}"


@pytest.mark.req("sa-3", part=True)
@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", ""])
def test_attack_algorithm_none(algorithm: str) -> None:
    assert refused(unsigned(algorithm)) == "does not parse"
    token = OURS.token(OURS.header(alg=algorithm))
    assert refused(token) == "has an algorithm that no JWT-SVID has"


@pytest.mark.req("sa-3", part=True)
def test_attack_a_mac_keyed_with_the_public_key() -> None:
    for key in (OURS.key.as_pem(private=False), json.dumps(OURS.jwk()).encode()):
        assert "algorithm" in refused(keyed_with_the_public_key(key))


@pytest.mark.parametrize(
    "algorithm", ["HS512", "EdDSA", "ES256K", "RS1", "es256", 256, None, ["ES256"]]
)
def test_attack_an_algorithm_that_is_not_the_standards(algorithm: object) -> None:
    assert "algorithm" in refused(OURS.token(OURS.header(alg=algorithm)))


@pytest.mark.parametrize("typ", ["at+jwt", "jwt", "wit+jwt", "", None, 1, ["JWT"], {}])
def test_attack_a_token_of_another_kind(typ: object) -> None:
    assert refused(OURS.token(OURS.header(typ=typ))) == "has another type than JWT or JOSE"


@pytest.mark.req("sa-3", part=True)
@pytest.mark.parametrize(
    "name", ["jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256", "crit", "cty", "b64", "zip", "nonce"]
)
def test_attack_a_header_that_brings_a_key_or_more(name: str) -> None:
    token = OURS.token(OURS.header(**{name: "https://evil.example/keys"}))
    assert refused(token) == "has headers other than alg, kid and typ"


def test_attack_a_key_in_the_header() -> None:
    assert "headers" in refused(THEIRS.token(OURS.header(jwk=THEIRS.jwk())))


@pytest.mark.parametrize("kid", ["other", "", "../ours", "ours\0", "' OR 1=1"])
def test_attack_a_key_id_that_names_no_key(kid: str) -> None:
    assert refused(OURS.token(OURS.header(kid=kid))) == "is signed with no key of its trust domain"


@pytest.mark.parametrize("kid", [None, 1, ["ours"], {"kid": "ours"}])
def test_attack_a_key_id_that_is_no_text(kid: object) -> None:
    assert refused(OURS.token(OURS.header(kid=kid))) == "does not say which key signed it"


def test_a_token_must_say_which_key_signed_it() -> None:
    assert refused(OURS.token({"alg": "ES256"})) == "does not say which key signed it"


@pytest.mark.req("sa-2", part=True)
def test_attack_a_federated_domain_signs_for_ours() -> None:
    assert refused(THEIRS.token()) == "is signed with no key of its trust domain"
    assert "key that it names" in refused(THEIRS.token(THEIRS.header(kid="ours")))


def test_attack_our_key_for_a_federated_domain() -> None:
    token = OURS.token(sub="spiffe://partner.example/web")
    assert refused(token) == "is signed with no key of its trust domain"


@pytest.mark.req("sa-2", part=True)
def test_attack_a_domain_that_is_not_trusted() -> None:
    token = OURS.token(sub="spiffe://evil.example/web")
    assert refused(token) == "is of trust domain evil.example, which is not trusted here"


def test_attack_a_changed_claim() -> None:
    header, _, signature = OURS.token().split(".")
    changed = encode(OURS.claims(sub="spiffe://example.org/admin"))
    assert "key that it names" in refused(f"{header}.{changed}.{signature}")


@pytest.mark.parametrize("signature", [b"\0" * 64, b"", b"x", b"\xff" * 64, b"x" * 2000])
def test_attack_a_signature_of_nothing(signature: bytes) -> None:
    signed = OURS.token().rpartition(".")[0]
    assert refused(f"{signed}.{encode(signature)}") in {
        "is not signed with the key that it names",
        "does not parse",
    }


def test_attack_a_header_longer_than_any_needs() -> None:
    key_sets = {"example.org": OURS.key_set(kid="k" * 600)}
    with pytest.raises(RequestError, match="not signed"):
        verify_jwt_svid(OURS.token(OURS.header(kid="k" * 600)), AUDIENCE, key_sets, NOON)


def test_attack_another_algorithm_of_the_same_key() -> None:
    issuer = TokenIssuer("RS256")
    token = issuer.token(issuer.header(alg="PS256"))
    with pytest.raises(RequestError, match="not signed"):
        verify_jwt_svid(token, AUDIENCE, {"example.org": issuer.key_set()}, NOON)


def test_attack_another_curve_than_the_algorithms() -> None:
    token = OURS.token(OURS.header(alg="ES384"))
    assert "key that it names" in refused(token)


@pytest.mark.req("sa-3", part=True)
@pytest.mark.parametrize("part", [0, 1])
def test_attack_a_member_twice(part: int) -> None:
    texts = [json.dumps(OURS.header()), json.dumps(OURS.claims())]
    texts[part] = texts[part].replace("{", '{"sub": "spiffe://example.org/admin", ', 1)
    texts[part] = texts[part].replace("{", '{"sub": "spiffe://example.org/admin", ', 1)
    assert refused(OURS.signed(".".join(encode(text.encode()) for text in texts))) == (
        "does not parse"
    )


def test_attack_an_oversized_token() -> None:
    assert refused(OURS.token(filler="x" * jose.MAX_TOKEN_BYTES)) == "does not parse"


@pytest.mark.req("sa-3", part=True)
def test_attack_an_expired_token() -> None:
    assert subject_of(OURS.token(exp=NOW + 0.001)) == WEB
    assert refused(OURS.token(exp=NOW)) == "has expired"
    assert refused(OURS.token(), now=NOON + timedelta(seconds=300)) == "has expired"


@pytest.mark.parametrize("exp", ["never", True, -1, 10**12, 10**400, [1], {}])
def test_attack_an_end_that_is_none(exp: object) -> None:
    assert refused(OURS.token(exp=exp)).startswith("exp: no ")


def test_a_token_must_end() -> None:
    assert refused(OURS.token(exp=None)) == "has no exp"


@pytest.mark.parametrize("name", ["iat", "nbf"])
def test_attack_a_token_from_the_future(name: str) -> None:
    leeway = LEEWAY.total_seconds()
    assert subject_of(OURS.token(**{name: NOW + leeway})) == WEB
    assert refused(OURS.token(**{name: NOW + leeway + 1})) == f"{name}: is in the future"
    assert refused(OURS.token(**{name: "soon"})) == f"{name}: no number"


def test_a_token_need_not_say_when_it_was_issued() -> None:
    assert subject_of(OURS.token(iat=None)) == WEB


@pytest.mark.req("sa-3", part=True)
@pytest.mark.parametrize("audience", ["shop", "Bank", "bank ", "ban", "bankk", ""])
def test_attack_a_token_for_another_audience(audience: str) -> None:
    assert refused(OURS.token(), audience) == "is for another audience"


@pytest.mark.parametrize("aud", [[], {}, 1, ["bank", 1], {"bank": True}])
def test_attack_an_audience_that_is_none(aud: object) -> None:
    assert refused(OURS.token(aud=aud)).startswith("aud: expected")


def test_a_token_must_have_an_audience() -> None:
    assert refused(OURS.token(aud=None)).startswith("aud: expected")


@pytest.mark.parametrize(
    "sub",
    [
        None,
        1,
        [WEB],
        "",
        "web",
        "https://example.org/web",
        "SPIFFE://example.org/web",
        "spiffe://EXAMPLE.org/web",
        "spiffe://example.org/../web",
        "spiffe://example.org/web?x",
        "spiffe://example.org/web%00",
        "spiffe://user@example.org/web",
        "spiffe://example.org:443/web",
    ],
)
def test_attack_a_subject_that_is_no_spiffe_id(sub: object) -> None:
    assert refused(OURS.token(sub=sub)).startswith("sub: ")


def test_attack_a_trust_domain_for_a_subject() -> None:
    assert "not of a trust domain" in refused(OURS.token(sub="spiffe://example.org"))


def test_nothing_of_a_token_is_quoted() -> None:
    assert "s3cr3t" not in refused(OURS.token(OURS.header(kid="s3cr3t")))
    assert "s3cr3t" not in refused(OURS.token(exp="s3cr3t"))


def one_byte_changed(token: str, place: int, letter: str) -> str:
    place %= len(token)
    return token[:place] + letter + token[place + 1 :]


Damage = Callable[[str], str]
DAMAGE: st.SearchStrategy[Damage] = st.builds(
    lambda place, letter: lambda token: one_byte_changed(token, place, letter),
    st.integers(0, 10_000),
    st.characters(max_codepoint=0x7F),
)


@given(DAMAGE)
def test_attack_any_byte_changed(damage: Damage) -> None:
    token = OURS.token()
    changed = damage(token)
    if changed != token:
        refused(changed)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["alg", "kid", "typ", "sub", "aud", "exp", "iat", "nbf"])


@given(
    st.dictionaries(NAMES, JSON, max_size=3),
    st.dictionaries(NAMES | st.text(), JSON, max_size=3),
    st.datetimes(timezones=st.just(UTC)),
)
def test_whatever_an_issuer_signs_only_one_error_comes_out(
    headers: dict[str, object], claims: dict[str, object], now: datetime
) -> None:
    claims.pop("self", None)
    signed = f"{encode({**OURS.header(), **headers})}.{encode({**OURS.claims(), **claims})}"
    try:
        found = verified(OURS.signed(signed), now=now)
    except RequestError as error:
        assert error.field == "svid"
    else:
        assert found.spiffe_id.trust_domain == "example.org"
        assert now < found.not_after


@given(st.text(), st.text())
def test_whatever_comes_only_one_error_comes_out(token: str, audience: str) -> None:
    refused(token, audience)
