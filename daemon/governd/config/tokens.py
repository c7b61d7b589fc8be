"""The settings of how governd gets tokens for upstreams; policy says which, and from whom."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from governd.config.fields import AbsolutePath, Section


class ClientKeyFile(Section):
    """A private key with which governd proves to an authorization server that it is a client."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    """What ``client_key`` of an ``[[authorization_server]]`` in the policy source calls it."""
    file: AbsolutePath
    """PEM, unencrypted, for its owner alone (mode 0600 or 0400). Read again when it changes."""
    algorithm: Literal["ES256", "ES384", "EdDSA", "RS256", "PS256"] | None = None
    """With which it signs. Default: the one of its kind, of RSA ``RS256``."""


def _distinct(keys: tuple[ClientKeyFile, ...]) -> tuple[ClientKeyFile, ...]:
    names = [key.name for key in keys]
    for at, name in enumerate(names):
        if name in names[:at]:
            message = f'expected names of their own, "{name}" comes twice'
            raise ValueError(message)
    return keys


class Tokens(Section):
    """How tokens for upstreams are asked for and kept.

    To where is asked, and over which TLS, is said in ``[issuers]``.
    """

    cache_entries: int = Field(4096, ge=1, le=65_536)
    """Tokens that are held at the same time."""
    negative_seconds: float = Field(2.0, ge=0, le=60)
    """How long a failure is the answer to who asks for the same again."""
    new_per_second: float = Field(10.0, ge=0.1, le=10_000)
    """New tokens a second that are asked for on one caller's account, in the long run."""
    new_burst: int = Field(100, ge=1, le=100_000)
    """New tokens at once on one caller's account, before ``new_per_second`` holds."""
    timeout_seconds: float = Field(10.0, ge=0.1, le=60)
    """For all requests to authorization servers that one token takes, with all their attempts."""
    retries: int = Field(2, ge=0, le=5)
    """Attempts after the first, where the server is away, fails, or wants a short wait."""
    breaker_failures: int = Field(5, ge=1, le=100)
    """So many failures in a row, and the server is not asked for ``breaker_seconds``."""
    breaker_seconds: float = Field(10.0, ge=0.1, le=600)
    """After that, one request tries whether it is back."""
    client_key: Annotated[
        tuple[ClientKeyFile, ...], Field(strict=False, max_length=64), AfterValidator(_distinct)
    ] = ()
    """Keys for ``client_authentication = "private_key_jwt"``."""
