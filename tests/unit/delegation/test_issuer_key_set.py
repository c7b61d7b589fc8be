"""Of an issuer's keys only those count that can verify a signature, each for what it is for."""

import json
from typing import Any

import pytest

from governd.delegation.issuer_key_set import MAX_DOCUMENT_BYTES, MAX_KEYS, IssuerKeySet
from tests.fakes.token_issuer import TokenIssuer, encode

pytestmark = pytest.mark.req("gi-3", part=True)

EC, RSA = TokenIssuer("ES256", "ec"), TokenIssuer("RS256", "rsa")


def keys(*jwks: dict[str, Any]) -> IssuerKeySet:
    return IssuerKeySet.read(json.dumps({"keys": jwks}).encode())


def test_a_key_is_found_by_its_id_for_its_algorithms() -> None:
    found = keys(EC.jwk(use="sig"), RSA.jwk(key_ops=["verify"]))
    assert len(found) == 2
    assert "ec" in found
    assert "other" not in found
    assert [found.find("ec", one) is None for one in ("ES256", "ES384", "RS256")] == [0, 1, 1]
    assert [found.find("rsa", one) is None for one in ("RS256", "PS512", "ES256")] == [0, 0, 1]


def test_a_key_that_states_its_algorithm_has_no_other() -> None:
    found = keys(RSA.jwk(alg="PS256"))
    assert found.find("rsa", "PS256") is not None
    assert found.find("rsa", "RS256") is None


@pytest.mark.parametrize(
    "changes",
    [
        *({"use": "enc"}, {"use": ["sig"]}, {"kid": 1}, {"kid": None}, {"alg": "none"}),
        *({"alg": "HS256"}, {"alg": ["ES256"]}, {"alg": "RSA-OAEP"}, {"kty": "oct"}, {"kty": []}),
        *({"key_ops": ["encrypt"]}, {"key_ops": "verify"}, {"x": "AA"}, {"crv": "P-257"}),
        *({"d": "AA"}, {"k": "AA"}),
    ],
)
def test_what_cannot_verify_is_as_if_it_were_not_there(changes: dict[str, object]) -> None:
    found = keys(EC.jwk(**changes), RSA.jwk())
    assert len(found) == 1
    assert found.find("ec", "ES256") is None


def test_attack_a_key_whose_private_part_is_published() -> None:
    assert len(keys({**EC.key.as_dict(private=True), "kid": "ec"})) == 0


def test_attack_a_weak_key() -> None:
    weak = encode((1 << 1023 | 1).to_bytes(128, "big"))
    assert len(keys(RSA.jwk(n=weak))) == 0


def test_of_several_that_a_token_could_mean_none_counts() -> None:
    other = TokenIssuer("ES256", "ec")
    assert keys(EC.jwk(), other.jwk()).find("ec", "ES256") is None
    assert keys(EC.jwk(), RSA.jwk(kid="ec")).find("ec", "ES256") is not None


@pytest.mark.parametrize(
    "document",
    [
        *(b"", b"[]", b"{}", b'{"keys": {}}', b'{"keys": [1]}', b'{"keys": null}', b"\xff"),
        *(b'{"keys": [], "keys": []}', b"<html>", b"[" * 100_000, b" " * (MAX_DOCUMENT_BYTES + 1)),
    ],
)
def test_attack_a_document_that_is_none(document: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        IssuerKeySet.read(document)


def test_attack_more_keys_than_may_be() -> None:
    assert len(keys(*(EC.jwk(kid=str(one)) for one in range(MAX_KEYS)))) == MAX_KEYS
    with pytest.raises(ValueError, match="more than"):
        keys(*(EC.jwk(kid=str(one)) for one in range(MAX_KEYS + 1)))
