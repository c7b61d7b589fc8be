"""What the claims of an issuer's token say, once its signature is known to be right.

Rules by claim: ``aud`` and ``azp`` (OpenID Connect Core 1.0, sections 2 and 3.1.3.7), ``exp``,
``iat`` and ``nbf`` (RFC 7519, section 4.1), ``client_id``, ``jti`` and ``scope`` (RFC 9068,
section 2.2), ``act`` and ``may_act`` (RFC 8693, sections 4.1 and 4.4), ``cnf`` (RFC 7800).

A claim that limits what the token is good for and that nobody here can keep to is a reason
to refuse it: a token that is bound to a key, one that is for another agent, one with details
of what it authorizes.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, NoReturn

from governd.delegation import texts
from governd.delegation.evidence_faults import EvidenceError, EvidenceFault
from governd.delegation.revocations import Revocations
from governd.delegation.scopes import scopes_of
from governd.identity import SpiffeId, jose
from governd.identity.user import MAX_BYTES, User
from governd.policy.delegated import Delegation, EvidenceKind
from governd.policy.trusted import Issuer

SKEW_SECONDS = 60
"""How far an issuer's clock may be from ours, either way."""
MAX_TOKEN_ID_BYTES = 256
MAX_CLIENT_BYTES = 1024

_OF_OTHER_TOKENS = frozenset({"client_id", "events", "scope", "scp"})
"""What no ID token has: access tokens do (RFC 9068, section 2.2), and so do logout tokens and
security events (RFC 8417), whose ``typ`` may be an ID token's."""
_SPIFFE = "spiffe://"


class Terms(NamedTuple):
    """What claims are held to.

    Attributes:
        issuer: Whose token it is, as policy names it.
        kind: What it is shown as.
        shown_by: Who shows it.
        revoked: What counts no longer.
        now: Seconds since 1970.
    """

    issuer: Issuer
    kind: EvidenceKind
    shown_by: SpiffeId
    revoked: Revocations
    now: float


def delegation(claims: Mapping[str, Any], terms: Terms) -> Delegation:
    """What verified claims prove.

    Raises:
        EvidenceError: They prove nothing here.
        RequestError: A claim is missing or malformed.
    """
    if claims.get("iss") != terms.issuer.issuer:
        _refuse(EvidenceFault.ISSUER, "iss: is of another issuer")
    scopes: tuple[str, ...] = ()
    if terms.kind is EvidenceKind.ID_TOKEN:
        _check_id_token(claims, terms)
    else:
        scopes = _check_access_token(claims, terms)
    expires = _check_time(claims, terms)
    _check_limits(claims, terms.shown_by)
    _check_token_id(claims, terms.revoked)
    return Delegation(
        user=User(terms.issuer.issuer, texts.text(claims.get("sub"), "sub", limit=MAX_BYTES)),
        actors=(terms.shown_by,),
        evidence=frozenset({terms.kind}),
        expires=expires,
        scopes=frozenset(scopes),
    )


def _check_id_token(claims: Mapping[str, Any], terms: Terms) -> None:
    if not _OF_OTHER_TOKENS.isdisjoint(claims) or claims.get("typ", "ID") != "ID":
        _refuse(EvidenceFault.TYPE, "has claims that no ID token has")
    audiences, ours = _audiences(claims), _ours(terms)
    if not audiences <= ours:
        _refuse(EvidenceFault.AUDIENCE, "aud: is for somebody else, too or only")
    if "azp" in claims:
        if claims["azp"] not in list(ours):
            _refuse(EvidenceFault.AUDIENCE, "azp: was issued to somebody else")
    elif len(audiences) > 1:
        _refuse(EvidenceFault.AUDIENCE, "azp: required where there are several audiences")


def _check_access_token(claims: Mapping[str, Any], terms: Terms) -> tuple[str, ...]:
    """The scopes."""
    if _audiences(claims).isdisjoint(_ours(terms)):
        _refuse(EvidenceFault.AUDIENCE, "aud: is for somebody else")
    texts.text(claims.get("jti"), "jti", limit=MAX_TOKEN_ID_BYTES)
    client = texts.text(claims.get("client_id"), "client_id", limit=MAX_CLIENT_BYTES)
    if client == claims.get("sub"):
        _refuse(EvidenceFault.NO_USER, "sub: is the client itself, and no user")
    if "scope" not in claims or claims["scope"] == "":
        return ()
    words = texts.text(claims["scope"], "scope", limit=jose.MAX_TOKEN_BYTES).split(" ")
    return scopes_of(words, field="scope")


def _audiences(claims: Mapping[str, Any]) -> frozenset[str]:
    try:
        return jose.read_audiences(claims.get("aud"))
    except ValueError as error:
        texts.refuse("aud", str(error))


def _ours(terms: Terms) -> frozenset[str]:
    """Audiences with which whoever shows the token may have it."""
    stated, mine = terms.issuer.audiences, str(terms.shown_by)
    return frozenset(one for one in stated if not one.startswith(_SPIFFE) or one == mine)


def _check_time(claims: Mapping[str, Any], terms: Terms) -> float:
    """From when on the token counts no more."""
    issued, ends = _moment(claims, "iat"), _moment(claims, "exp")
    begins = max(issued, _moment(claims, "nbf") if "nbf" in claims else issued)
    if begins > terms.now + SKEW_SECONDS:
        _refuse(EvidenceFault.NOT_YET_VALID, "iat, nbf: is in the future")
    expires = min(ends, issued + terms.issuer.max_age_seconds) + SKEW_SECONDS
    if expires <= terms.now:
        _refuse(EvidenceFault.EXPIRED, "exp, iat: has expired, or is older than policy takes it")
    return expires


def _moment(claims: Mapping[str, Any], name: str) -> float:
    try:
        return jose.read_seconds(claims.get(name))
    except ValueError as error:
        texts.refuse(name, str(error))


def _check_limits(claims: Mapping[str, Any], shown_by: SpiffeId) -> None:
    if "cnf" in claims:
        _refuse(EvidenceFault.SENDER, "cnf: is bound to a key that nobody here has seen used")
    for name in ("act", "may_act"):
        if name in claims and claims[name] != {"sub": str(shown_by)}:
            _refuse(EvidenceFault.ACTOR, f"{name}: names another actor than who shows it")
    if "authorization_details" in claims:
        texts.refuse("authorization_details", "limits it in ways that are not kept to here")


def _check_token_id(claims: Mapping[str, Any], revoked: Revocations) -> None:
    if "jti" in claims:
        token_id = texts.text(claims["jti"], "jti", limit=MAX_TOKEN_ID_BYTES)
        if token_id in revoked.tokens:
            _refuse(EvidenceFault.REVOKED, "jti: is revoked")


def _refuse(fault: EvidenceFault, why: str) -> NoReturn:
    raise EvidenceError(fault, why)
