"""The keys that verify the JWT-SVIDs of one trust domain.

Follows RFC 7517 and the SPIFFE trust domain and bundle standard, section 4
(https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE_Trust_Domain_and_Bundle.md): a
key for another use, an X.509 authority's or a WIT-SVID's, verifies no JWT-SVID. Where a set
names no use, as SPIRE's Workload API does, its keys have this one.
"""

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from governd.identity import jose

MIN_RSA_BITS = 2048
_USE = "jwt-svid"
_FAMILIES = {"ES": "EC", "RS": "RSA", "PS": "RSA"}
"""Types of keys by the first letters of the algorithms (RFC 7518, section 3.1)."""

PublicKey: TypeAlias = ECKey | RSAKey


def published(document: bytes) -> bytes:
    """A JWKS without keys for other uses; as it came where there are none.

    Raises:
        ValueError: It is no JWKS.
    """
    members = jose.read_object(document)
    keys = _keys(members)
    fitting = [key for key in keys if _fits(key)]
    if len(fitting) == len(keys):
        return document
    return json.dumps({**members, "keys": fitting}).encode()


def find_key(document: bytes, key_id: str, algorithm: str) -> PublicKey:
    """The key that a token names.

    Args:
        document: A JWKS.
        key_id: The token's ``kid``.
        algorithm: The token's ``alg``, one of ``jose.ALGORITHMS``.

    Raises:
        ValueError: There is no such key for that algorithm.
    """
    found = [
        key
        for key in _keys(jose.read_object(document))
        if _fits(key) and key.get("kid") == key_id and key.get("alg", algorithm) == algorithm
    ]
    if len(found) != 1 or found[0].get("kty") != _FAMILIES[algorithm[:2]]:
        message = "no such key"
        raise ValueError(message)
    return public_key(found[0])


def _keys(members: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    keys = members.get("keys")
    if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
        message = "expected a list of keys"
        raise ValueError(message)
    return keys


def _fits(key: Mapping[str, Any]) -> bool:
    return bool(key.get("use", _USE) == _USE)


def public_key(key: Mapping[str, Any]) -> PublicKey:
    """The public key that a JWK's own parameters make, and no others.

    Raises:
        ValueError: It is no key of an elliptic curve or RSA, or one of too few bits.
    """
    try:
        if key["kty"] == "EC":
            return ECKey.import_key({name: key[name] for name in ("kty", "crv", "x", "y")})
        _check_size(key["n"])
        return RSAKey.import_key({name: key[name] for name in ("kty", "n", "e")})
    except (JoseError, UnsupportedAlgorithm, KeyError, TypeError, AttributeError) as error:
        message = "no key"
        raise ValueError(message) from error


def _check_size(modulus: str) -> None:
    if int.from_bytes(jose.decode(modulus.encode())).bit_length() < MIN_RSA_BITS:
        message = f"fewer than {MIN_RSA_BITS} bits"
        raise ValueError(message)
