"""Public keys in a manifest, as RFC 7517 has them."""

from typing import Any, Literal, Self

from pydantic import model_validator

from governd.identity import jwt_keys
from governd.policy.table import Name, Table

_NOT_PUBLIC = frozenset({"d", "dp", "dq", "k", "oth", "p", "q", "qi"})
"""Members of private and of symmetric keys (RFC 7518, section 6)."""
_CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}


class Jwk(Table):
    """A public key.

    Attributes:
        kty: Its type.
        kid: By which signatures name it.
        alg: The only algorithm that it is used with; ``None`` for every one that fits.
        use: What for; nothing but signatures.
        crv: Curve.
        x: Of the point.
        y: Likewise.
        n: Modulus of RSA, of 2048 bits at least.
        e: Exponent of RSA.
    """

    kty: Literal["EC", "RSA"]
    kid: Name
    alg: (
        Literal["ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"]
        | None
    ) = None
    use: Literal["sig"] | None = None
    crv: Literal["P-256", "P-384", "P-521"] | None = None
    x: str | None = None
    y: str | None = None
    n: str | None = None
    e: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _is_public(cls, value: object) -> object:
        if isinstance(value, dict) and not _NOT_PUBLIC.isdisjoint(value):
            message = "is a private or secret key: take it out of use, and state a public one"
            raise ValueError(message)
        return value

    @model_validator(mode="after")
    def _is_key(self) -> Self:
        try:
            jwt_keys.public_key(self.members())
        except ValueError as error:
            message = f"is no public key: {error}"
            raise ValueError(message) from error
        if self.alg and not self._fits(self.alg):
            message = f"alg: {self.alg} does not fit the key"
            raise ValueError(message)
        return self

    def _fits(self, algorithm: str) -> bool:
        if self.kty == "EC":
            return _CURVES.get(algorithm) == self.crv
        return algorithm not in _CURVES

    def members(self) -> dict[str, Any]:
        """As JSON has it."""
        return self.model_dump(exclude_none=True)
