"""Receives acting-as tokens, for the workloads that are their audience.

Whoever calls is the one audience that counts; which signers do, and how tightly a token has
to be tied, policy says; trust bundles are those that are held for this node.

A token is *taken* when it comes with a request, once. After that, once it is on record, and
only then, it is *held*: its audience may show it as evidence with every question that it has
while it serves the request, and extend it. Policy sees how tightly the token was tied when it
was taken.

Promises:
    * What was not taken here, by its audience, is no evidence and is not extended: nobody
      looked at what it is tied to, or whether it was used before.
    * One memory of used tokens serves all callers of this process.
    * Before the first trust bundle has come nothing is said of any token.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache

from governd.application.delegation_told import delegation_of
from governd.application.evidence import Shown
from governd.application.known_agents import LevelOf, nobody_known
from governd.application.sync_policy import PolicyKeeper
from governd.delegation.acting_as import SKEW_SECONDS, ActingAs
from governd.delegation.binding import BindingLevel
from governd.delegation.evidence_faults import (
    EvidenceError,
    EvidenceFault,
    EvidenceUnavailableError,
)
from governd.delegation.expectations import Arrival, Expectations, IssuerRule
from governd.delegation.opening import Opener
from governd.delegation.rejection import Reason, Rejected
from governd.delegation.replay import UsedTokens
from governd.delegation.revocations import Revocations
from governd.delegation.taken import TakenTokens
from governd.delegation.verification import Receiver, Verified
from governd.identity import Caller, SpiffeId
from governd.identity.secret import Secret
from governd.identity.verification import Bundles, Verifier
from governd.policy.delegated import Delegation
from governd.policy.trusted import DelegationRules

EVIDENCE = "evidence.acting_as_token"
PARENT = "parent_token"
_RETRY_SECONDS = 1.0


class TokenReception:
    """Where acting-as tokens come in; implements ``evidence.TokenReceiver``."""

    def __init__(
        self,
        policies: PolicyKeeper,
        *,
        revocations: Callable[[], Revocations],
        level_of: LevelOf = nobody_known,
    ) -> None:
        """Trusts nobody yet.

        Args:
            policies: Holds the policy in force.
            revocations: What counts no longer.
            level_of: How well agents are known: of whom acts on, no token says it.
        """
        self._policies = policies
        self._revocations = revocations
        self._level_of = level_of
        self._verifier = Verifier({})
        self._receiver = Receiver(Opener(self._verifier), UsedTokens())
        self._taken = TakenTokens()

    @property
    def rules(self) -> DelegationRules:
        """What the policy in force says of acting-as tokens."""
        policy = self._policies.state.policy
        return policy.manifest.delegation if policy else DelegationRules()

    async def follow(self, changes: AsyncIterator[Bundles]) -> None:
        """Trusts what is to be trusted, for as long as that is told."""
        async for bundles in changes:
            self._verifier.replace(bundles)

    def take(
        self,
        token: Secret,
        audience: SpiffeId,
        arrival: Arrival,
        now: datetime,
        *,
        least: BindingLevel = BindingLevel.UNSAFE_NONE,
    ) -> Verified | Rejected:
        """Whether a token counts that came with a request; it is used then.

        It is not held before it is said to be (``hold``).

        Args:
            token: Compact JWS.
            audience: Who received it, as the channel says.
            arrival: How it came, at the receiver's word.
            now: The time, in UTC.
            least: How tightly it has to be tied; never less than policy says.

        Raises:
            EvidenceUnavailableError: No trust bundle has come yet.
        """
        expected = self._expected(audience, least)
        return self._receiver.receive(_text(token), expected, arrival, now)

    def hold(self, found: Verified, now: datetime) -> None:
        """A token that was taken is on record: from now on its audience holds it."""
        self._taken.keep(found, now)

    def held(self, token: Secret, audience: SpiffeId, now: datetime, *, field: str) -> Verified:
        """What a token says that its audience holds, tied as it was when it was taken.

        Args:
            token: Compact JWS.
            audience: Who holds it, as the channel says.
            now: The time, in UTC.
            field: Where in the request it was shown.

        Raises:
            EvidenceError: It does not count, was not taken, or was tied too little.
            EvidenceUnavailableError: No trust bundle has come yet.
        """
        expected = self._expected(audience)
        found = self._receiver.inspect(_text(token), expected, now)
        if isinstance(found, Rejected):
            raise _rejected(found, field)
        binding = self._taken.binding(found.digest)
        if binding is None or binding < expected.least_binding:
            message = "was not taken by Verify here, or was tied too little"
            raise EvidenceError(EvidenceFault.ACTING_AS, message, field=field)
        return replace(found, binding=binding)

    def check_not_revoked(self, token: ActingAs, *, field: str) -> None:
        """Asks once more, where time has passed since a token was looked at.

        Raises:
            EvidenceError: It is revoked.
        """
        if self._revocations().contains(token):
            raise _rejected(Rejected(Reason.REVOKED, "is revoked"), field)

    async def receive(self, shown: Shown, caller: Caller, now: float) -> Delegation:
        """What a token delegates that was taken; as ``evidence.TokenReceiver`` has it.

        With a peer in the arrival, to that peer, whose call the caller received; without, to
        the caller, who acts on for the same user.

        Raises:
            EvidenceError: It does not count, was not taken, or is another agent's.
            EvidenceUnavailableError: No trust bundle has come yet.
        """
        moment = datetime.fromtimestamp(now, UTC)
        found = self.held(shown.token, caller.spiffe_id, moment, field=EVIDENCE)
        actors = _actors(found.token, shown.arrival.peer, caller.spiffe_id)
        return delegation_of(
            found.token,
            actors,
            binding=found.binding,
            expires=found.token.expires_at + SKEW_SECONDS,
            level_of=self._level_of,
        )

    def _expected(
        self, audience: SpiffeId, least: BindingLevel = BindingLevel.UNSAFE_NONE
    ) -> Expectations:
        if not self._verifier.bundles:
            message = "no trust bundle has come yet"
            raise EvidenceUnavailableError(message, retry_after=_RETRY_SECONDS)
        rules = self.rules
        return Expectations(
            frozenset({audience}),
            _issuers(rules),
            max(least, BindingLevel(rules.min_binding)),
            self._revocations(),
        )


def _actors(token: ActingAs, peer: SpiffeId | None, holder: SpiffeId) -> tuple[SpiffeId, ...]:
    if peer is None:
        if holder in token.actors:
            message = "has who shows it among its actors"
            raise EvidenceError(EvidenceFault.ACTOR, message, field=EVIDENCE)
        return (holder, *token.actors)
    if token.actor != peer:
        message = "its current actor is not the subject"
        raise EvidenceError(EvidenceFault.ACTOR, message, field=EVIDENCE)
    return token.actors


@lru_cache(4)
def _issuers(rules: DelegationRules) -> tuple[IssuerRule, ...]:
    return tuple(
        IssuerRule(SpiffeId.parse(one.spiffe_id), frozenset(one.also_for)) for one in rules.signer
    )


def _rejected(found: Rejected, field: str) -> EvidenceError:
    error = EvidenceError(EvidenceFault.ACTING_AS, found.message, field=field)
    error.metadata["rejection"] = found.reason.name
    return error


def _text(token: Secret) -> str:
    return token.reveal().decode()
