"""What governd signs for an authorization server: who it is, and for whom it asks.

Follows RFC 7523, section 3, as draft-ietf-oauth-rfc7523bis has it: the only audience is the
server's issuer identifier, so that no server can use what another one was sent.
"""

from typing import NamedTuple

from governd.identity.secret import Secret
from governd.tokens.client_key import ClientKey

LIFETIME_SECONDS = 60
"""Of an assertion; it is used once, at once."""


class Asked(NamedTuple):
    """For whom a token is asked for, in governd's word.

    Attributes:
        issuer: Under which name governd vouches; the server knows its key by that.
        subject: The user, as the server knows it.
        audience: The server's issuer identifier.
        actor: The agent that acts for the user, by its SPIFFE ID.
    """

    issuer: str
    subject: str
    audience: str
    actor: str


def client_assertion(
    key: ClientKey, client_id: str, audience: str, *, now: float, token_id: str
) -> Secret:
    """Says who the client is (RFC 7523, section 2.2).

    Args:
        key: Its key, which the server knows.
        client_id: Its name at the server.
        audience: The server's issuer identifier.
        now: Seconds since 1970.
        token_id: 128 random bits or more, as a text; never used before.
    """
    named = {"iss": client_id, "sub": client_id, "aud": audience}
    return key.sign({**named, **_once(now, token_id)})


def grant_assertion(key: ClientKey, asked: Asked, *, now: float, token_id: str) -> Secret:
    """Says for whom a token is asked for, and who acts (RFC 7523, section 2.1; RFC 8693, 4.1).

    Args:
        key: Of the issuer that the server trusts.
        asked: For whom.
        now: Seconds since 1970.
        token_id: As for ``client_assertion``.
    """
    named = {"iss": asked.issuer, "sub": asked.subject, "aud": asked.audience}
    return key.sign({**named, **_once(now, token_id), "act": {"sub": asked.actor}})


def _once(now: float, token_id: str) -> dict[str, int | str]:
    issued = int(now)
    return {"iat": issued, "exp": issued + LIFETIME_SECONDS, "jti": token_id}
