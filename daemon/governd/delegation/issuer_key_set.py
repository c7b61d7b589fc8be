"""The keys with which an issuer signs its tokens.

Follows RFC 7517. What cannot verify a signature here is as if it were not in the set: other
types, other uses, too few bits. So is a key whose private part is published, which is
everybody's, and one of several that a token could mean alike.

Promises:
    * A key verifies only algorithms of its type, of its curve, and of its ``alg`` if it
      states one (RFC 8725, section 3.1).
    * Whatever the bytes, nothing but a ``ValueError`` is raised.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from governd.identity import jose, jwt_keys
from governd.identity.jwt_keys import PublicKey

MAX_DOCUMENT_BYTES = 256 << 10
MAX_KEYS = 64

_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
"""Members of private and of symmetric keys (RFC 7518, section 6)."""
_CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}


class _Stated(NamedTuple):
    """A key, and the only algorithm that it is for, if it says so."""

    key: PublicKey
    curve: str
    algorithm: str

    def verifies(self, algorithm: str) -> bool:
        """Whether it is for an algorithm, by its type too."""
        return self.algorithm in {"", algorithm} and self.curve == _CURVES.get(algorithm, "")


class IssuerKeySet:
    """An issuer's keys, by ``kid``."""

    def __init__(self, jwks: Iterable[Mapping[str, Any]]) -> None:
        """Takes the members of keys as JSON has them.

        Raises:
            ValueError: There are more than ``MAX_KEYS``.
        """
        self._keys: dict[str, list[_Stated]] = {}
        for number, jwk in enumerate(jwks):
            if number >= MAX_KEYS:
                message = f"has more than {MAX_KEYS} keys"
                raise ValueError(message)
            stated = _stated(jwk)
            if stated is not None:
                self._keys.setdefault(jwk["kid"], []).append(stated)

    @classmethod
    def read(cls, document: bytes) -> "IssuerKeySet":
        """Reads a JWKS document.

        Raises:
            ValueError: It is none, or too large.
        """
        if len(document) > MAX_DOCUMENT_BYTES:
            message = f"has more than {MAX_DOCUMENT_BYTES} bytes"
            raise ValueError(message)
        keys = jose.read_object(document).get("keys")
        if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
            message = "expected a list of keys"
            raise ValueError(message)
        return cls(keys)

    def __len__(self) -> int:
        """How many of them can verify anything."""
        return sum(map(len, self._keys.values()))

    def __contains__(self, key_id: object) -> bool:
        """Whether there is a key of that ``kid``."""
        return key_id in self._keys

    def find(self, key_id: str, algorithm: str) -> PublicKey | None:
        """The key of that ``kid`` for an algorithm; ``None`` for none, or for several."""
        found = [one.key for one in self._keys.get(key_id, ()) if one.verifies(algorithm)]
        return found[0] if len(found) == 1 else None


def _stated(jwk: Mapping[str, Any]) -> _Stated | None:
    """The key, if it can verify signatures here."""
    algorithm, operations = jwk.get("alg", ""), jwk.get("key_ops", ["verify"])
    if (
        not isinstance(jwk.get("kid"), str)
        or algorithm not in ("", *jose.ALGORITHMS)
        or jwk.get("use", "sig") != "sig"
        or not isinstance(operations, list)
        or "verify" not in operations
        or not _PRIVATE.isdisjoint(jwk)
    ):
        return None
    try:
        key = jwt_keys.public_key(jwk)
    except ValueError:
        return None
    return _Stated(key, jwk["crv"] if jwk["kty"] == "EC" else "", algorithm)
