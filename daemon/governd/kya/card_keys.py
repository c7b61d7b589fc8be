"""The keys of providers that sign cards: from the configuration, and from nowhere else.

A key is found by the provider that the card names and the ``kid`` of the signature, so no
provider signs for another. What a card says of where keys are (``jku``) is never followed: it
is the word of whoever wrote the card (RFC 8725, section 3.10).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from joserfc.jwk import ECKey

from governd.identity import jose, jwt_keys

_ALGORITHMS = {"P-256": frozenset({"ES256"}), "P-384": frozenset({"ES384"})}
_RSA = frozenset({"PS256", "RS256"})


@dataclass(frozen=True, slots=True)
class PinnedKey:
    """A key that signs a provider's cards.

    Attributes:
        provider: ``provider.organization`` of those cards; ``""`` for cards that name none.
        key_id: The ``kid`` of its signatures.
        algorithms: Those that it is used with.
        thumbprint: Of the key (RFC 7638).
        key: For the signature.
        not_after: From when on it counts no more, in UTC; ``None`` for never.
    """

    provider: str
    key_id: str
    algorithms: frozenset[str]
    thumbprint: str
    key: PublicKeyTypes = field(repr=False, compare=False)
    not_after: datetime | None = None

    @classmethod
    def parse(cls, provider: str, jwk: bytes, *, not_after: datetime | None = None) -> Self:
        """Reads a JWK (RFC 7517, section 4).

        Args:
            provider: Whose cards it signs.
            jwk: The public key, with a ``kid``. Its ``alg``, where it has one, is the only
                algorithm that it is used with.
            not_after: From when on it counts no more, in UTC.

        Raises:
            ValueError: It is private, or none of P-256, P-384 or RSA with at least 2048
                bits, or names an algorithm that no card is signed with.
        """
        members = jose.read_object(jwk)
        if "d" in members:
            message = "expected a public key, got a private one"
            raise ValueError(message)
        key, key_id = jwt_keys.public_key(members), members.get("kid")
        algorithms = _ALGORITHMS.get(members["crv"], frozenset()) if _is_ec(key) else _RSA
        named = members.get("alg")
        if named is not None:
            algorithms &= {str(named)}
        if not algorithms or not isinstance(key_id, str) or not key_id:
            message = "expected a key of P-256, P-384 or RSA with a kid, and an alg that fits it"
            raise ValueError(message)
        return cls(provider, key_id, algorithms, key.thumbprint(), key.public_key, not_after)


class CardKeys:
    """The keys of every provider that is trusted with its own cards."""

    def __init__(self, keys: Iterable[PinnedKey] = ()) -> None:
        """Takes the keys.

        Raises:
            ValueError: A provider has two of one ``kid``.
        """
        self._keys: dict[tuple[str, str], PinnedKey] = {}
        for key in keys:
            name = (key.provider, key.key_id)
            if name in self._keys:
                message = f"{key.provider}: has two keys of the kid {key.key_id}"
                raise ValueError(message)
            self._keys[name] = key

    def find(self, provider: str, key_id: str) -> PinnedKey | None:
        """The key of that name, whether it counts still or not."""
        return self._keys.get((provider, key_id))


def _is_ec(key: jwt_keys.PublicKey) -> bool:
    return isinstance(key, ECKey)
