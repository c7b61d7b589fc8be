"""Whether what an identity provider gave is an ID-JAG for just the server that is asked next.

Follows draft-ietf-oauth-identity-assertion-authz-grant (sections 3 and 4). It is checked
before it is sent: what it says wrongly would be believed there, and it is a credential, so
it goes to nobody but the server that it is for. It is never handed to an agent.

The rule of a refusal is ``id_jag``, but for what the words ``act``, ``act_missing``,
``subject``, ``scope_widened``, ``bound``, ``expiry`` and ``token_type`` mean everywhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from governd.identity.secret import Secret
from governd.tokens import acting, jwt, scopes, words
from governd.tokens.acting import Acting
from governd.tokens.digests import digest_of
from governd.tokens.faults import TokenFault, refuse
from governd.tokens.reply import Reply


@dataclass(frozen=True, slots=True)
class ExpectedIdJag:
    """What an ID-JAG is held to.

    Attributes:
        issuer: The identity provider.
        audience: The issuer identifier of the server that takes it, and no other.
        client_id: governd's name at that server; ``None`` where it is not known.
        resource: The upstream, where it was named; ``None`` where not.
        scopes: What was asked for.
        subject: Whose it has to be; ``None`` where the provider has other names for users
            at that server.
        acting: Who has to act for the user.
        sent: Tokens that were sent for it.
    """

    issuer: str
    audience: str
    client_id: str | None
    resource: str | None
    scopes: tuple[str, ...]
    subject: str | None
    acting: Acting
    sent: tuple[Secret, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class IdJag:
    """An ID-JAG that may be sent to the server that it is for.

    Attributes:
        assertion: A secret.
        digest: SHA-256 of it, base64url: its name in records.
        expires_at: From when on it counts no more; seconds since 1970.
        scopes: What may be asked for with it, sorted.
        token_id: Its ``jti``.
        subject: Its ``sub``: the user, as the server that takes it knows them.
    """

    assertion: Secret
    digest: str
    expires_at: float
    scopes: tuple[str, ...]
    token_id: str
    subject: str


def accept(reply: Reply, expected: ExpectedIdJag, now: float) -> IdJag:
    """Takes the ID-JAG of an answer, or none.

    Args:
        reply: What the identity provider answered.
        expected: What was asked for.
        now: Seconds since 1970.

    Raises:
        TokenRefusedError: It breaks a rule; ``metadata["rule"]`` says which.
    """
    _check_reply(reply, expected)
    found = jwt.read(reply.token)
    if jwt.type_of(found) != words.ID_JAG_TYP:
        refuse(TokenFault.ID_JAG, f"token: typ: expected {words.ID_JAG_TYP}")
    claims = found.claims
    _check_parties(claims, expected)
    jwt.check_limits(claims)
    acting.check(claims, expected.acting)
    subject = jwt.text(claims, "sub", TokenFault.ID_JAG)
    if expected.subject is not None and subject != expected.subject:
        refuse(TokenFault.SUBJECT, "token: sub: is not whom it was asked for")
    return IdJag(
        assertion=reply.token,
        digest=digest_of(reply.token),
        expires_at=_end(claims, reply, now),
        scopes=scopes.granted(expected.scopes, *jwt.stated_scopes(claims), reply.scopes),
        token_id=jwt.text(claims, "jti", TokenFault.ID_JAG),
        subject=subject,
    )


def _check_reply(reply: Reply, expected: ExpectedIdJag) -> None:
    if reply.issued_token_type != words.ID_JAG:
        refuse(TokenFault.TOKEN_TYPE, "issued_token_type: expected an ID-JAG's")
    if reply.token_type != words.NOT_APPLICABLE:
        refuse(TokenFault.TOKEN_TYPE, "token_type: expected N_A")
    if any(reply.token == sent for sent in expected.sent):
        refuse(TokenFault.ID_JAG, "token: is one that was sent to the server")
    if reply.more:
        jwt.refuse_details()


def _check_parties(claims: Mapping[str, Any], expected: ExpectedIdJag) -> None:
    if claims.get("iss") != expected.issuer:
        refuse(TokenFault.ID_JAG, "token: iss: is of another issuer")
    if claims.get("aud") not in (expected.audience, [expected.audience]):
        refuse(TokenFault.ID_JAG, "token: aud: is not for exactly the server that takes it")
    client = jwt.text(claims, "client_id", TokenFault.ID_JAG)
    if expected.client_id is not None and client != expected.client_id:
        refuse(TokenFault.ID_JAG, "token: client_id: is for another client")
    if claims.get("resource", expected.resource) not in (expected.resource, [expected.resource]):
        refuse(TokenFault.ID_JAG, "token: resource: is for another upstream")


def _end(claims: Mapping[str, Any], reply: Reply, now: float) -> float:
    if "iat" not in claims:
        refuse(TokenFault.ID_JAG, "token: iat: required")
    found = jwt.ends(claims, now)
    if reply.expires_in is None:
        return found
    if reply.expires_in == 0:
        refuse(TokenFault.EXPIRY, "expires_in: has ended")
    return min(found, now + reply.expires_in)
