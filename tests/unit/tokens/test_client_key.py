"""A client's key signs as others verify, and shows nowhere."""

import copy
import pickle

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from joserfc import jws
from joserfc.jwk import KeySet

from governd.identity.secret import Secret
from governd.tokens.client_key import MAX_PEM_BYTES, ClientKey, read_client_key

P256 = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)
KEYS = {
    "ES256": P256,
    "ES384": ec.generate_private_key(ec.SECP384R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    "RS256": RSA,
}


def pem(
    key: object,
    form: PrivateFormat = PrivateFormat.PKCS8,
    hidden: KeySerializationEncryption | None = None,
) -> Secret:
    written = key.private_bytes(Encoding.PEM, form, hidden or NoEncryption())  # type: ignore[attr-defined]  # each kind of key has it
    return Secret(written)


def why(key: Secret, algorithm: str | None = None) -> str:
    """Why a key is refused; never with a part of it, and never with a parser's words."""
    with pytest.raises(ValueError, match=r"\S") as raised:
        read_client_key(key, algorithm)
    assert raised.value.__cause__ is None
    return str(raised.value)


def verified(key: ClientKey, signed: Secret) -> bytes:
    """What is signed, as a server verifies it that has the key's JWKS."""
    keys = KeySet.import_key_set(key.public_jwks())  # type: ignore[arg-type]  # a JWKS
    return jws.deserialize_compact(signed.reveal(), keys, [key.algorithm]).payload


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # by joserfc, not by servers
@pytest.mark.parametrize("algorithm", KEYS)
def test_a_key_signs_with_the_usual_algorithm_of_its_kind(algorithm: str) -> None:
    key = read_client_key(pem(KEYS[algorithm]))
    assert key.algorithm == algorithm
    signed = key.sign({"iss": "governd"})
    assert verified(key, signed) == b'{"iss":"governd"}'
    header = jws.extract_compact(signed.reveal()).headers()
    assert header == {"alg": algorithm, "kid": key.key_id, "typ": "JWT"}


def test_rsa_signs_with_pss_where_that_is_asked_for() -> None:
    key = read_client_key(pem(RSA), "PS256")
    assert key.algorithm == "PS256"
    assert verified(key, key.sign({"a": 1})) == b'{"a":1}'


@pytest.mark.parametrize("algorithm", ["ES256", "HS256", "none", "RS512", ""])
def test_attack_an_algorithm_that_is_not_the_keys(algorithm: str) -> None:
    assert why(pem(RSA), algorithm) == "a key of RSA signs with RS256 or PS256"


@pytest.mark.parametrize("key", [P256, RSA])
def test_the_older_form_of_a_key_is_read_too(key: object) -> None:
    assert read_client_key(pem(key, PrivateFormat.TraditionalOpenSSL)).key_id


def test_a_key_is_named_by_its_thumbprint_and_registered_with_its_public_half() -> None:
    key = read_client_key(pem(P256))
    [registered] = key.public_jwks()["keys"]
    assert registered.keys() == {"kty", "crv", "x", "y", "kid", "alg", "use"}
    assert (registered["kid"], registered["use"]) == (key.key_id, "sig")
    assert key.key_id == KeySet.import_key_set({"keys": [registered]}).keys[0].thumbprint()
    assert read_client_key(pem(P256)).key_id == key.key_id


def test_a_jwks_has_no_private_part() -> None:
    [registered] = read_client_key(pem(RSA)).public_jwks()["keys"]
    assert registered.keys() == {"kty", "n", "e", "kid", "alg", "use"}


@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(65537, 1024),  # noqa: S505  that is what is refused
        ec.generate_private_key(ec.SECP521R1()),
        ec.generate_private_key(ec.SECP256K1()),
        ed448.Ed448PrivateKey.generate(),
        dsa.generate_private_key(2048),
    ],
    ids=["RSA of 1024 bits", "P-521", "secp256k1", "Ed448", "DSA"],
)
def test_a_key_that_servers_do_not_take_is_refused(key: object) -> None:
    assert "expected" in why(pem(key))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"hunter2",
        b"-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n",
        P256.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        pem(P256, hidden=BestAvailableEncryption(b"hunter2")).reveal(),
    ],
    ids=["empty", "text", "broken", "public", "encrypted"],
)
def test_what_is_no_private_key_is_refused_and_not_quoted(text: bytes) -> None:
    assert why(Secret(text)) == "expected one private key in PEM, without a password"


def test_a_file_that_is_too_large_is_not_parsed() -> None:
    fits = pem(P256).reveal().ljust(MAX_PEM_BYTES, b"\n")
    assert read_client_key(Secret(fits)).algorithm == "ES256"
    assert why(Secret(fits + b"\n")) == "has more than 16384 bytes"


def test_a_key_shows_nowhere() -> None:
    key = read_client_key(pem(P256))
    assert repr(key) == f"ClientKey(algorithm='ES256', key_id='{key.key_id}')"
    for steal in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="neither pickled nor copied"):
            steal(key)
    with pytest.raises(TypeError):
        vars(key)
