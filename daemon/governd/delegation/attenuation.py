"""What may be said: the first token of a chain, and how it goes on.

Pure functions from a permit to a value that is yet to be signed. A token that is extended
says at most what its parent says:

    * the same user and the same transaction;
    * scopes and authorization details that the parent's cover;
    * an end no later than the parent's, and a parent that has not ended;
    * one more actor, who wraps the parent's: the parent's audience, and nobody else;
    * no more actors than the parent permits in all, and no actor twice, nor towards itself;
    * the KYA level of the least known actor.

Each has an error of its own. What is out of bounds whatever the parent says is a
``RequestError``.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from governd.delegation import acting_as, refusals, texts
from governd.delegation.acting_as import ActingAs, Attested, Evidence, Ruled
from governd.delegation.binding import RequestBinding
from governd.delegation.details import ToolDetail, covered, parse_details
from governd.delegation.scopes import scopes_of
from governd.delegation.verification import Verified
from governd.identity import SpiffeId, jose
from governd.policy.allowed import Allowed

ACTION = "delegation/mint"
"""What policy is asked for before a token is minted or extended."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for, beside the terms that policy judged.

    Attributes:
        lifetime_seconds: How long it is to last, at most.
        max_depth: How many actors there may ever be; ``None`` for as many as before.
        transaction: ``None`` for the same as before, and a new one for a new chain.
        request: The one request that it is for.
        certificate: ``x5t#S256`` of the one certificate that the actor will show.
        kya: How well the actor is known.
    """

    lifetime_seconds: int = acting_as.DEFAULT_LIFETIME_SECONDS
    max_depth: int | None = None
    transaction: str | None = None
    request: RequestBinding | None = None
    certificate: str | None = None
    kya: Attested | None = None

    def __post_init__(self) -> None:
        """Holds what came with a request to its bounds.

        Raises:
            RequestError: Something is out of them.
        """
        longest = acting_as.MAX_LIFETIME_SECONDS
        texts.integer(self.lifetime_seconds, "lifetime", least=1, most=longest)
        if self.max_depth is not None:
            texts.integer(self.max_depth, "max_depth", least=1, most=acting_as.MAX_DEPTH)
        if self.transaction is not None:
            limit = acting_as.MAX_TRANSACTION_BYTES
            texts.text(self.transaction, "transaction", limit=limit)
        if self.certificate is not None:
            texts.digest(self.certificate, "certificate")


class Stamp(NamedTuple):
    """Who signs, and when.

    Attributes:
        issuer: The signing identity.
        until: When it ends, in UTC.
        token_id: 16 random bytes, never used before.
        now: The time, in UTC.
    """

    issuer: SpiffeId
    until: datetime
    token_id: bytes
    now: datetime


class _Granted(NamedTuple):
    """The terms that policy judged, in the domain's own values."""

    audience: SpiffeId
    scopes: tuple[str, ...]
    details: tuple[ToolDetail, ...]


def mint(
    allowed: Allowed, order: Order, stamp: Stamp, evidence: tuple[Evidence, ...] = ()
) -> ActingAs:
    """The first token of a chain: the principal acts for a user.

    Args:
        allowed: The permit, for exactly what is minted.
        order: What else is asked for.
        stamp: Who signs, and when.
        evidence: What was verified of the user.

    Raises:
        MintError: The permit is for something else, or the signer ends.
        RequestError: The terms are malformed.
    """
    granted = _granted(allowed)
    if allowed.terms.user is None:
        message = "there is no user in whose name to act"
        raise refusals.NoUserError(message, field="evidence")
    token_id = jose.encode(stamp.token_id)
    return ActingAs(
        issuer=stamp.issuer,
        user=allowed.terms.user,
        actors=(allowed.principal,),
        audience=granted.audience,
        issued_at=_second(stamp.now),
        expires_at=_end(stamp, order),
        token_id=token_id,
        transaction=order.transaction or token_id,
        ruled=Ruled(allowed.ruling.policy_digest, allowed.ruling.decision_id),
        scopes=granted.scopes,
        details=granted.details,
        max_depth=order.max_depth or acting_as.DEFAULT_MAX_DEPTH,
        request=order.request,
        certificate=order.certificate,
        evidence=evidence,
        kya=order.kya,
    )


def extend(parent: Verified, allowed: Allowed, order: Order, stamp: Stamp) -> ActingAs:
    """The next token of a chain: the parent's audience acts on, for the same user.

    Args:
        parent: The token that the principal received.
        allowed: The permit, for exactly what is minted.
        order: What else is asked for.
        stamp: Who signs, and when.

    Raises:
        MintError: It would say more than the parent says; the subclass names the rule.
        RequestError: The terms are malformed.
    """
    before = parent.token
    granted = _granted(allowed)
    _check_chain(before, allowed, order)
    _check_granted(before, granted)
    return ActingAs(
        issuer=stamp.issuer,
        user=before.user,
        actors=(allowed.principal, *before.actors),
        audience=granted.audience,
        issued_at=_second(stamp.now),
        expires_at=_end(stamp, order, before),
        token_id=jose.encode(stamp.token_id),
        transaction=before.transaction,
        ruled=Ruled(allowed.ruling.policy_digest, allowed.ruling.decision_id),
        scopes=granted.scopes,
        details=granted.details,
        max_depth=order.max_depth or before.max_depth,
        request=order.request,
        certificate=order.certificate,
        parent=parent.digest,
        evidence=before.evidence,
        kya=_least_known(before, order.kya),
    )


def _granted(allowed: Allowed) -> _Granted:
    if allowed.action != ACTION:
        message = f"the permit is for {allowed.action}, not for {ACTION}"
        raise refusals.OtherActionError(message)
    audience = allowed.terms.audience
    if isinstance(audience, str):
        texts.refuse("audience", "expected a SPIFFE ID")
    if audience == allowed.principal:
        message = "audience: is who asks"
        raise refusals.OwnAudienceError(message, field="audience")
    details = ",".join(allowed.terms.details)
    return _Granted(
        audience,
        scopes_of(allowed.terms.scopes),
        parse_details(f"[{details}]".encode() if details else b"", field="authorization_details"),
    )


def _check_chain(before: ActingAs, allowed: Allowed, order: Order) -> None:
    if allowed.principal != before.audience:
        message = "parent: was not for who extends it"
        raise refusals.NotAudienceError(message, field="parent")
    if allowed.terms.user != before.user:
        message = "parent: is in another user's name"
        raise refusals.UserChangedError(message, field="parent")
    if order.transaction not in {None, before.transaction}:
        message = "transaction: is not the parent's"
        raise refusals.TransactionChangedError(message, field="transaction")
    if allowed.principal in before.actors:
        message = "parent: has who extends it among its actors"
        raise refusals.LoopError(message, field="parent")
    most = order.max_depth or before.max_depth
    if most > before.max_depth:
        message = f"max_depth: is more than the parent's, {before.max_depth}"
        raise refusals.DepthRaisedError(message, field="max_depth")
    if before.depth + 1 > most:
        message = f"parent: has {before.depth} actors, and there may be {most}"
        raise refusals.DepthExceededError(message, field="parent")


def _check_granted(before: ActingAs, granted: _Granted) -> None:
    if not set(granted.scopes) <= set(before.scopes):
        message = "scopes: has some that the parent does not have"
        raise refusals.ScopeWidenedError(message, field="scopes")
    if not covered(granted.details, before.details):
        message = "authorization_details: has some that the parent's do not cover"
        raise refusals.DetailsWidenedError(message, field="authorization_details")


def _end(stamp: Stamp, order: Order, before: ActingAs | None = None) -> int:
    """The earliest end that there is."""
    now = _second(stamp.now)
    if before is not None and before.expires_at <= now:
        message = "parent: has expired"
        raise refusals.ParentExpiredError(message, field="parent")
    end = min(now + order.lifetime_seconds, _second(stamp.until))
    if end <= now:
        message = "the signing identity ends"
        raise refusals.SignerEndingError(message)
    return end if before is None else min(end, before.expires_at)


def _second(moment: datetime) -> int:
    return int(moment.timestamp())


def _least_known(before: ActingAs, kya: Attested | None) -> Attested | None:
    if kya is None:
        return None
    return Attested(min(kya.level, before.kya_level), kya.token_id, kya.digest)
