"""Whether an access token that an authorization server gave may be handed to an agent.

Follows RFC 9068 (sections 2 and 4), RFC 8693 (sections 2.2.1 and 4.1), RFC 6749 (section 5.1)
and RFC 8725 for what has gone wrong with tokens elsewhere.

Promises of what is accepted:
    * It is an access token of that server, for nothing but that upstream, in that user's
      name, and it permits no more than was asked for.
    * Where the policy source wants it, it names who acts, and that is the agent.
    * It has an end, which is no later than the token's, the answer's and the policy's.
    * It is none of the tokens that were sent: nothing is passed through.

An opaque token can be held to none of that but its end and the answer's words.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from governd.identity.secret import Secret
from governd.tokens import acting, clients, jwt, kinds, scopes
from governd.tokens.acting import Acting
from governd.tokens.clients import Client
from governd.tokens.digests import digest_of
from governd.tokens.faults import TokenFault, refuse
from governd.tokens.reply import Reply


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token is held to.

    Attributes:
        issuer: The authorization server, exactly as its tokens name it.
        audiences: Each of the token's audiences has to be one of them. ``None`` only for a
            token that goes nowhere but back to its issuer: governd's own, as an actor token.
        scopes: What was asked for. ``None`` likewise.
        subject: Whose it has to be; ``None`` where the server has names of its own.
        acting: Who has to act for the user.
        client: Who asked for it.
        exchanged: Whether it came in exchange for another token (RFC 8693).
        opaque: Whether nobody but the server can read it.
        min_lifetime: Seconds that it has to count still.
        max_lifetime: Seconds for which it is handed out at most.
        sent: Tokens that were sent for it.
    """

    issuer: str
    audiences: frozenset[str] | None
    scopes: tuple[str, ...] | None
    subject: str | None
    acting: Acting
    client: Client
    exchanged: bool
    opaque: bool
    min_lifetime: float
    max_lifetime: float
    sent: tuple[Secret, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token that may be handed out.

    Attributes:
        token: A secret: whoever has it can use it.
        digest: SHA-256 of it, base64url: its name in records.
        expires_at: From when on it counts no more; seconds since 1970.
        scopes: What it permits, sorted.
        token_id: Its ``jti``; ``""`` where it has none.
        subject: Its ``sub``; ``""`` of an opaque one.
    """

    token: Secret
    digest: str
    expires_at: float
    scopes: tuple[str, ...]
    token_id: str
    subject: str


def accept(reply: Reply, expected: Expected, now: float) -> AccessToken:
    """Takes the token of an answer, or none.

    Args:
        reply: What the server answered.
        expected: What was asked for.
        now: Seconds since 1970.

    Raises:
        TokenRefusedError: It breaks a rule; ``metadata["rule"]`` is the first one.
    """
    kinds.check_reply(reply, exchanged=expected.exchanged, opaque=expected.opaque)
    if any(reply.token == sent for sent in expected.sent):
        refuse(TokenFault.TYPE, "token: is one that was sent to the server")
    claims = {} if expected.opaque else kinds.access_claims(reply.token)
    if expected.opaque:
        _check_opaque(reply, expected)
    else:
        _check_claims(claims, expected)
    stated = (*jwt.stated_scopes(claims), reply.scopes)
    return AccessToken(
        token=reply.token,
        digest=digest_of(reply.token),
        expires_at=_end(claims, reply, expected, now),
        scopes=_granted(expected.scopes, stated),
        token_id=jwt.optional_text(claims, "jti", TokenFault.MALFORMED),
        subject=jwt.optional_text(claims, "sub", TokenFault.SUBJECT),
    )


def _check_claims(claims: Mapping[str, Any], expected: Expected) -> None:
    if claims.get("iss") != expected.issuer:
        refuse(TokenFault.ISSUER, "token: iss: is of another issuer")
    if expected.audiences is not None and not (
        jwt.audiences(claims, TokenFault.AUDIENCE) <= expected.audiences
    ):
        refuse(TokenFault.AUDIENCE, "token: aud: is good elsewhere, too or only")
    subject = jwt.text(claims, "sub", TokenFault.SUBJECT)
    if expected.subject is not None and subject != expected.subject:
        refuse(TokenFault.SUBJECT, "token: sub: is not whom it was asked for")
    jwt.check_limits(claims)
    clients.check(claims, expected.client)
    acting.check(claims, expected.acting)


def _check_opaque(reply: Reply, expected: Expected) -> None:
    if expected.acting.required is not None or expected.client.required:
        refuse(TokenFault.ACT_MISSING, "token: is opaque, and cannot say who acts for the user")
    if reply.expires_in is None:
        refuse(TokenFault.EXPIRY, "expires_in: required where the token is opaque")


def _end(claims: Mapping[str, Any], reply: Reply, expected: Expected, now: float) -> float:
    found = now + expected.max_lifetime
    if not expected.opaque:
        found = min(found, jwt.ends(claims, now))
    if reply.expires_in is not None:
        found = min(found, now + reply.expires_in)
    if found <= now:
        refuse(TokenFault.EXPIRY, "expires_in: has ended")
    if found < now + expected.min_lifetime:
        refuse(TokenFault.LIFETIME, "token: too little of its life is left")
    return found


def _granted(
    asked: tuple[str, ...] | None, stated: tuple[tuple[str, ...] | None, ...]
) -> tuple[str, ...]:
    if asked is None:
        return next((one for one in stated if one is not None), ())
    return scopes.granted(asked, *stated)
