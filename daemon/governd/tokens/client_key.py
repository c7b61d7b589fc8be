"""The key with which governd signs who it is, where an authorization server wants that.

Follows RFC 7517 and RFC 7638 for its public half and its name, RFC 7518 (section 3) and
RFC 8037 for how it signs. Elliptic curves P-256, P-384 and Ed25519, and RSA of 2048 bits
or more: what authorization servers verify.
"""

import json
from typing import Any, NoReturn, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from governd.identity import jose
from governd.identity.secret import Secret

MAX_PEM_BYTES = 16 << 10
MIN_RSA_BITS = 2048
_ALGORITHMS = {
    "P-256": ("ES256",),
    "P-384": ("ES384",),
    "Ed25519": ("EdDSA",),
    "RSA": ("RS256", "PS256"),
}
"""By kind of key; the first one unless another is asked for."""
_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384"}

_Key: TypeAlias = ECKey | OKPKey | RSAKey


class ClientKey:
    """A private key that shows nowhere.

    Attributes:
        algorithm: With which it signs.
        key_id: Its thumbprint (RFC 7638), which is what it is registered under.
    """

    __slots__ = ("_key", "algorithm", "key_id")

    def __init__(self, key: _Key, algorithm: str) -> None:
        """Takes a key that fits the algorithm; ``read_client_key`` sees to that."""
        self._key = key
        self.algorithm = algorithm
        self.key_id = key.thumbprint()

    def sign(self, claims: dict[str, Any]) -> Secret:
        """Claims as a compact JWS of the type ``JWT``."""
        header = {"alg": self.algorithm, "kid": self.key_id, "typ": "JWT"}
        signed = f"{_part(header)}.{_part(claims)}".encode()
        signature = JWSRegistry.algorithms[self.algorithm].sign(signed, self._key)
        return Secret(signed + b"." + jose.encode(signature).encode())

    def public_jwks(self) -> dict[str, Any]:
        """A JWKS for the operators of authorization servers (RFC 7517, section 5)."""
        public = self._key.as_dict(private=False)
        return {"keys": [{**public, "kid": self.key_id, "alg": self.algorithm, "use": "sig"}]}

    def __repr__(self) -> str:
        """What everybody may know of it."""
        return f"ClientKey(algorithm={self.algorithm!r}, key_id={self.key_id!r})"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refuses to be pickled or copied.

        Raises:
            TypeError: Always.
        """
        message = "a private key is neither pickled nor copied"
        raise TypeError(message)


def read_client_key(pem: Secret, algorithm: str | None = None) -> ClientKey:
    """Reads a private key in PEM, without a password.

    Args:
        pem: PKCS #8, or the older form of its kind.
        algorithm: With which it signs; ``None`` for the usual one of its kind.

    Raises:
        ValueError: It is none that may be used; without a part of it.
    """
    if len(pem.reveal()) > MAX_PEM_BYTES:
        _refuse(f"has more than {MAX_PEM_BYTES} bytes")
    try:
        found = load_pem_private_key(pem.reveal(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        _refuse("expected one private key in PEM, without a password")
    kind, key = _known(found)
    fitting = _ALGORITHMS[kind]
    if algorithm is not None and algorithm not in fitting:
        _refuse(f"a key of {kind} signs with {' or '.join(fitting)}")
    return ClientKey(key, algorithm or fitting[0])


def _known(found: object) -> tuple[str, _Key]:
    """Its kind, and the key."""
    if isinstance(found, rsa.RSAPrivateKey):
        if found.key_size < MIN_RSA_BITS:
            _refuse(f"expected {MIN_RSA_BITS} bits of RSA or more")
        return "RSA", RSAKey.import_key(found)
    if isinstance(found, ed25519.Ed25519PrivateKey):
        return "Ed25519", OKPKey.import_key(found)
    if not isinstance(found, ec.EllipticCurvePrivateKey) or found.curve.name not in _CURVES:
        _refuse("expected a key of P-256, P-384, Ed25519 or RSA")
    return _CURVES[found.curve.name], ECKey.import_key(found)


def _part(members: dict[str, Any]) -> str:
    return jose.encode(json.dumps(members, separators=(",", ":")).encode())


def _refuse(problem: str) -> NoReturn:
    raise ValueError(problem) from None
