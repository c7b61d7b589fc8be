"""A key verifies JWT-SVIDs if it is public, strong, and meant for that."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governd.identity import jose, jwt_keys
from tests.fakes.token_issuer import TokenIssuer, rsa_key

EC, RSA = TokenIssuer("ES256", "ec"), TokenIssuer("RS256", "rsa")
OTHER_USES: list[dict[str, object]] = [
    {"kty": "EC", "use": "x509-svid", "x5c": ["AA"]},
    EC.jwk(use="wit-svid"),
]


@pytest.mark.parametrize("algorithm", sorted(jose.ALGORITHMS))
def test_a_key_is_found_by_its_id(algorithm: str) -> None:
    issuer = TokenIssuer(algorithm)
    key = jwt_keys.find_key(issuer.key_set(), "key-1", algorithm)
    assert key.as_dict(private=False)["kty"] == issuer.jwk()["kty"]
    assert not key.is_private


@pytest.mark.parametrize("changes", [{"use": "jwt-svid"}, {"use": None}, {"alg": "ES256"}])
def test_a_key_may_say_what_it_is_for(changes: dict[str, object]) -> None:
    assert jwt_keys.find_key(EC.key_set(**changes), "ec", "ES256").key_type == "EC"


def keys(*keys: object) -> bytes:
    return json.dumps({"keys": keys}).encode()


BAD: dict[str, tuple[bytes, str, str]] = {
    "another id": (EC.key_set(), "other", "ES256"),
    "an empty id": (EC.key_set(), "", "ES256"),
    "two keys of one id": (EC.key_set(EC.jwk()), "ec", "ES256"),
    "an X.509 authority": (EC.key_set(use="x509-svid"), "ec", "ES256"),
    "a key for signatures in general": (EC.key_set(use="sig"), "ec", "ES256"),
    "another algorithm's": (EC.key_set(alg="ES384"), "ec", "ES256"),
    "another type's": (EC.key_set(), "ec", "RS256"),
    "an RSA key for ECDSA": (RSA.key_set(), "rsa", "ES256"),
    "a type that only claims it": (RSA.key_set(kty="EC"), "rsa", "ES256"),
    "a shared key": (keys({"kty": "oct", "kid": "1", "k": "AAAA"}), "1", "ES256"),
    "no type": (EC.key_set(kty=None), "ec", "ES256"),
    "an unknown curve": (EC.key_set(crv="P-999"), "ec", "ES256"),
    "a curve that is no text": (EC.key_set(crv=1), "ec", "ES256"),
    "a curve that is a list": (EC.key_set(crv=["P-256"]), "ec", "ES256"),
    "a point beside the curve": (EC.key_set(x="AAAA"), "ec", "ES256"),
    "no coordinate": (EC.key_set(x=None), "ec", "ES256"),
    "a modulus that is a number": (RSA.key_set(n=65537), "rsa", "RS256"),
    "a modulus with padding": (RSA.key_set(n=str(RSA.jwk()["n"]) + "=="), "rsa", "RS256"),
    "no modulus": (RSA.key_set(n=None), "rsa", "RS256"),
    "an exponent of one": (RSA.key_set(e="AQ"), "rsa", "RS256"),
    "no list": (json.dumps({"keys": {}}).encode(), "ec", "ES256"),
    "no object": (keys("key"), "ec", "ES256"),
    "no keys": (b"{}", "ec", "ES256"),
    "no JSON": (b"{", "ec", "ES256"),
}


@pytest.mark.parametrize(("document", "key_id", "algorithm"), BAD.values(), ids=BAD.keys())
def test_any_other_key_is_none(document: bytes, key_id: str, algorithm: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        jwt_keys.find_key(document, key_id, algorithm)


def test_a_weak_key_is_none() -> None:
    with pytest.warns(match="2048"):
        weak = rsa_key(1024)
    with pytest.raises(ValueError, match="2048"):
        jwt_keys.find_key(keys({**weak.as_dict(private=False), "kid": "1"}), "1", "RS256")


@given(st.recursive(st.none() | st.text() | st.integers(), st.lists))
def test_whatever_a_key_holds_it_is_a_key_or_none(value: Any) -> None:
    for name in ("kty", "crv", "x", "n", "use", "alg", "kid"):
        for issuer in (EC, RSA):
            document = issuer.key_set(**{name: value})
            try:
                jwt_keys.find_key(document, issuer.key_id, issuer.algorithm)
            except ValueError:
                continue


def test_a_key_set_for_nothing_else_is_published_as_it_is() -> None:
    document = EC.key_set(RSA.jwk(use="jwt-svid"))
    assert jwt_keys.published(document) is document


@pytest.mark.req("sa-3", part=True)
def test_keys_for_other_uses_are_not_published() -> None:
    published = json.loads(jwt_keys.published(EC.key_set(*OTHER_USES)))
    assert published == {"keys": [EC.jwk()]}
