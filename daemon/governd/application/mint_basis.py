"""On what an acting-as token is to rest: a user's own token, or one that is extended.

Invariants:
    * Who asks is the first of the actors, and nobody's word but the channel's says who that is.
    * A chain begins with a user's own token only. An acting-as token is extended: what began
      anew from one would be free of everything that its parent does not permit.
    * What is extended was taken, by who extends it, here: a token that a receiver must not
      take would become one that the next receiver takes.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import NoReturn

from governd.application.delegation_told import TYPES, delegation_of
from governd.application.evidence import EvidenceVerifier, Shown
from governd.application.receive_tokens import PARENT, TokenReception
from governd.delegation import attenuation
from governd.delegation.acting_as import (
    DEFAULT_MAX_DEPTH,
    SKEW_SECONDS,
    ActingAs,
    Attested,
    Evidence,
)
from governd.delegation.attenuation import Order, Stamp
from governd.delegation.evidence_faults import EvidenceError, EvidenceFault
from governd.delegation.opening import digest_of
from governd.delegation.verification import Verified
from governd.errors import RequestError
from governd.identity import Caller
from governd.identity.secret import Secret
from governd.policy.allowed import Allowed
from governd.policy.delegated import Delegation
from governd.policy.trusted import DelegationRules


@dataclass(frozen=True, slots=True)
class Basis:
    """What a token is to rest on.

    Attributes:
        given: What it says, as policy has it.
        ends: When it ends without any skew, in seconds since 1970.
        evidence: What was verified of the user, if the chain begins here.
        parent: The token that is extended; ``None`` where the chain begins here.
        kya: How well who asks is attested.
    """

    given: Delegation
    ends: float
    evidence: tuple[Evidence, ...] = ()
    parent: Verified | None = None
    kya: Attested | None = None

    def attested(self, kya: Attested | None) -> "Basis":
        """The same, with how well who asks is attested: a chain is known as its least known."""
        level = kya.level if kya else 0
        if self.parent is not None:
            level = min(level, self.parent.token.kya_level)
        return replace(self, kya=kya, given=replace(self.given, kya_level=level))

    def order(self, wanted: Order, rules: DelegationRules) -> Order:
        """What is asked for, cut to what policy says of every token."""
        before = self.parent.token.max_depth if self.parent else DEFAULT_MAX_DEPTH
        most = wanted.max_depth or before
        if self.parent is None or most <= before:  # else it is refused, and not cut
            most = min(most, rules.max_depth)
        lifetime = min(wanted.lifetime_seconds, rules.lifetime_seconds)
        return replace(wanted, max_depth=most, lifetime_seconds=lifetime, kya=self.kya)

    def token(self, allowed: Allowed, order: Order, stamp: Stamp) -> ActingAs:
        """The token, yet to be signed.

        Raises:
            MintError: It would say more than it may.
        """
        if self.parent is not None:
            return attenuation.extend(self.parent, allowed, order, stamp)
        stamp = stamp._replace(until=min(stamp.until, datetime.fromtimestamp(self.ends, UTC)))
        return attenuation.mint(allowed, order, stamp, self.evidence)


class Bases:
    """Verifies what tokens are to rest on."""

    def __init__(self, evidence: EvidenceVerifier, reception: TokenReception) -> None:
        """Takes what verifies users' tokens, and what receives acting-as tokens."""
        self._evidence = evidence
        self._reception = reception

    async def of_evidence(self, shown: Shown, caller: Caller, now: float) -> Basis:
        """A user's own token.

        Args:
            shown: The token.
            caller: Who shows it.
            now: Seconds since 1970.

        Raises:
            RequestError: It is shown as an acting-as token.
            EvidenceError: It does not hold.
            EvidenceUnavailableError: That cannot be told now.
        """
        kind = TYPES.get(shown.kind)
        if kind is None:
            message = "evidence.acting_as_token: is extended, with Extend; no chain begins with it"
            raise RequestError(message, field="evidence.acting_as_token")
        given = await self._evidence.verify(shown, caller, now)
        ends = given.expires - SKEW_SECONDS
        if ends <= now:
            _expired()
        digest = digest_of(shown.token.reveal().decode())
        return Basis(given, ends, (Evidence(kind, digest, given.user.issuer, int(ends)),))

    def of_parent(self, parent: Secret, caller: Caller, now: float) -> Basis:
        """A token that the caller received, and took.

        Args:
            parent: The token.
            caller: Its audience.
            now: Seconds since 1970.

        Raises:
            EvidenceError: It does not count, was not taken here, or was tied too little.
            EvidenceUnavailableError: That cannot be told now.
        """
        moment = datetime.fromtimestamp(now, UTC)
        found = self._reception.held(parent, caller.spiffe_id, moment, field=PARENT)
        token = found.token
        actors = (caller.spiffe_id, *token.actors)
        given = delegation_of(token, actors, binding=found.binding, expires=token.expires_at)
        return Basis(given, token.expires_at, parent=found)

    def check_not_revoked(self, basis: Basis, token: ActingAs) -> None:
        """Asks once more, when a token is about to be handed out.

        Raises:
            EvidenceError: It is revoked, or its parent is.
        """
        if basis.parent is not None:
            self._reception.check_not_revoked(basis.parent.token, field=PARENT)
        self._reception.check_not_revoked(token, field="evidence")


def _expired() -> NoReturn:
    message = "has ended; what rests on it would have, too"
    raise EvidenceError(EvidenceFault.EXPIRED, message)
