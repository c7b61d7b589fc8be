"""Mints and extends acting-as tokens: evidence, policy's permit, signature, record, answer.

Promises:
    * No token without a permit of policy for exactly that audience, user, scopes and details;
      the permit is asked for in the same step (``policy.allowed``).
    * A token is handed out only when its record, and its decision's before it, is on disk.
    * No token outlives what it rests on, the signing identity, or what policy says of
      lifetimes; none permits more actors than policy or its parent does.
    * Whoever asks is who acts: nobody asks for another.
    * What is revoked before a token is handed out, is not handed out.
"""

import contextlib
import secrets
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol, TypeAlias

from governd.application.answer import Answer
from governd.application.call import Call
from governd.application.delegation_lines import Occasion, issued_line, refused_line
from governd.application.evaluate import Evaluator
from governd.application.evidence import Shown
from governd.application.mint_basis import Bases, Basis
from governd.application.mint_question import Wanted, questions
from governd.application.operate import RotatingIdentity
from governd.application.sync_policy import PolicyKeeper
from governd.audit.ports import DecisionLog
from governd.delegation.acting_as import TOKEN_ID_BYTES, Attested
from governd.delegation.attenuation import Stamp
from governd.delegation.evidence_faults import EvidenceError
from governd.delegation.refusals import AttenuationError
from governd.delegation.rejection import Reason
from governd.delegation.signing import Delegation, sign
from governd.errors import DecisionLogError, GoverndError
from governd.identity.ports import Signer
from governd.identity.secret import Secret
from governd.policy.allowed import Allowed, Ruling, allow
from governd.policy.decision import DecisionCode
from governd.policy.trusted import DelegationRules

AttestedOf: TypeAlias = Callable[[Call], Awaitable[Attested | None]]
"""How well the caller of a call is attested now."""
MINT, EXTEND = "mint", "extend"
_RETRY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Issued:
    """A token that may be handed out.

    Attributes:
        delegation: The token.
        decision_id: Of the decision that permitted it.
    """

    delegation: Delegation
    decision_id: str


class IssueObserver(Protocol):
    """Watches tokens that are issued, for metrics. Never sees one."""

    def issued(self, kind: str, seconds: float) -> None:
        """A token is handed out; ``kind`` is ``mint`` or ``extend``."""

    def not_issued(self, kind: str, error: GoverndError) -> None:
        """None is, for that reason."""


@dataclass(frozen=True, slots=True)
class DelegatorParts:
    """What a ``Delegator`` works with.

    Attributes:
        evaluator: Decides.
        policies: Holds the policy in force.
        bases: Verifies what tokens rest on.
        signing: The identity that signs.
        log: Where tokens are put on record.
        attested: How well agents are attested.
        observer: Told of each.
    """

    evaluator: Evaluator
    policies: PolicyKeeper
    bases: Bases
    signing: RotatingIdentity
    log: DecisionLog
    attested: AttestedOf
    observer: IssueObserver


class Delegator:
    """The use case behind Mint and Extend."""

    def __init__(
        self,
        parts: DelegatorParts,
        *,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
    ) -> None:
        """Takes its parts, monotonic seconds, and seconds since 1970."""
        self._parts = parts
        self._clock = clock
        self._wall_clock = wall_clock

    async def mint(self, this: Call, wanted: Wanted, shown: Shown) -> Issued:
        """The first token of a chain: the caller acts for the user that the evidence shows.

        Args:
            this: In which it is asked for.
            wanted: What is asked for.
            shown: A user's own token.

        Raises:
            RequestError: The evidence is an acting-as token.
            EvidenceError: The evidence does not hold.
            EvidenceUnavailableError: That cannot be told now.
            MintError: Policy does not permit it.
            IdentityError: There is no identity to sign with.
            DecisionLogError: It cannot be put on record.
        """
        with self._watched(MINT):
            basis = await self._parts.bases.of_evidence(shown, this.workload, self._wall_clock())
            return await self._issue(this, MINT, wanted, basis)

    async def extend(self, this: Call, wanted: Wanted, parent: Secret) -> Issued:
        """The next token of a chain: the caller, its audience, acts on for the same user.

        Args:
            this: In which it is asked for.
            wanted: What is asked for.
            parent: The token that the caller received.

        Raises:
            EvidenceError: The parent does not count.
            EvidenceUnavailableError: That cannot be told now.
            MintError: Policy does not permit it, or it would say more than the parent.
            IdentityError: There is no identity to sign with.
            DecisionLogError: It cannot be put on record.
        """
        with self._watched(EXTEND):
            basis = self._parts.bases.of_parent(parent, this.workload, self._wall_clock())
            return await self._issue(this, EXTEND, wanted, basis)

    async def _issue(self, this: Call, kind: str, wanted: Wanted, basis: Basis) -> Issued:
        parts, start = self._parts, self._clock()
        signer = parts.signing.current(self._now())  # before a decision that helps nobody
        basis = basis.attested(await parts.attested(this))
        allowed = await self._allowed(this, wanted, basis)
        occasion = Occasion(kind, this.workload, self._wall_clock())
        decision_id = allowed.ruling.decision_id
        try:
            delegation = self._sign(signer, wanted, basis, allowed)
        except AttenuationError as error:
            await self._refused(occasion, wanted, error.rule, decision_id)
            raise
        try:
            await parts.log.append_durably([issued_line(occasion, delegation, decision_id)])
        except DecisionLogError as error:
            raise DecisionLogError(str(error), retry_after=_RETRY_SECONDS) from error
        try:
            parts.bases.check_not_revoked(basis, delegation.token)  # others ran in the meantime
        except EvidenceError:
            await self._refused(occasion, wanted, Reason.REVOKED.name, decision_id)
            raise
        parts.observer.issued(kind, self._clock() - start)
        return Issued(delegation, decision_id)

    async def _refused(
        self, occasion: Occasion, wanted: Wanted, rule: str, decision_id: str
    ) -> None:
        line = refused_line(occasion, wanted.audience, rule, decision_id)
        with contextlib.suppress(DecisionLogError):  # whoever asked hears of the first
            await self._parts.log.append([line])

    async def _allowed(self, this: Call, wanted: Wanted, basis: Basis) -> Allowed:
        """Policy's permit for all that the audience is, on record."""
        policy, evaluator = self._parts.policies.state.policy, self._parts.evaluator
        asked = questions(policy, wanted, basis.given)
        this.charge(len(asked) - 1)
        answers = [evaluator.decide(this, question) for question in asked]
        terms = wanted.terms(basis.given.user)
        permits = []
        for answer in await evaluator.put_on_record(answers):
            _check_recorded(answer)
            ruling = Ruling(answer.decision_id, answer.policy.digest)
            permits.append(allow(answer.question, answer.decision, terms, ruling))
        return permits[0]

    def _sign(self, signer: Signer, wanted: Wanted, basis: Basis, allowed: Allowed) -> Delegation:
        now = self._now()
        order = basis.order(wanted.order, self._rules())
        stamp = Stamp(signer.spiffe_id, signer.not_after, secrets.token_bytes(TOKEN_ID_BYTES), now)
        return sign(basis.token(allowed, order, stamp), signer)

    @contextlib.contextmanager
    def _watched(self, kind: str) -> Iterator[None]:
        try:
            yield
        except GoverndError as error:
            self._parts.observer.not_issued(kind, error)
            raise

    def _rules(self) -> DelegationRules:
        policy = self._parts.policies.state.policy
        return policy.manifest.delegation if policy else DelegationRules()

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._wall_clock(), UTC)


def _check_recorded(answer: Answer) -> None:
    if answer.decision.code is DecisionCode.LOG_UNAVAILABLE:
        message = "the decision cannot be put on record"
        raise DecisionLogError(message, retry_after=_RETRY_SECONDS)
