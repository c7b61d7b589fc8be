"""Gets tokens for upstreams: evidence, policy's permit, the token, answer.

Promises:
    * No token without a permit of policy for exactly that upstream, user and scopes, asked for
      in the same step (``policy.allowed``) and on record; for one that is held already, too,
      and again where the policy changed while an authorization server was asked.
    * A token is handed to nobody but the caller that it was got for, and not past its end.
    * While an authorization server is away, tokens that are held are handed out to their end.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from governd.application.call import Call
from governd.application.evaluate import Evaluator
from governd.application.evidence import Shown
from governd.application.sync_policy import PolicyKeeper
from governd.application.token_order import Order
from governd.application.token_request import Asked, TokenRequests, Wanted
from governd.application.token_supply import TokenSupply
from governd.errors import DecisionLogError, GoverndError, MintError
from governd.identity.secret import Secret
from governd.observability.names import OTHER
from governd.policy.allowed import Allowed, Ruling, allow
from governd.policy.decision import DecisionCode
from governd.policy.manifest import Manifest
from governd.policy.upstreams import Upstream
from governd.tokens.held import Held

_RETRY_SECONDS = 1.0


class Handed(NamedTuple):
    """A token that is handed out.

    Attributes:
        token: A secret.
        upstream: What for.
        scopes: What it permits.
        ends: From when on it counts no more, in seconds since 1970.
        decision_id: Of the decision that permitted that it is handed out.
    """

    token: Secret
    upstream: Upstream
    scopes: tuple[str, ...]
    ends: float
    decision_id: str


class HandObserver(Protocol):
    """Watches tokens that are handed out, for metrics. Never sees one."""

    def handed(self, upstream: str, seconds: float, *, held: bool) -> None:
        """One is handed out; ``held`` says whether it was there already."""

    def not_handed(self, upstream: str, error: GoverndError) -> None:
        """None is, for that reason; ``upstream`` is one of the policy's, or ``other``."""


@dataclass(frozen=True, slots=True)
class GetterParts:
    """What a ``TokenGetter`` works with.

    Attributes:
        policies: Holds the policy in force.
        requests: Finds out what is asked for.
        evaluator: Decides.
        supply: Has tokens, and gets new ones.
        observer: Told of each.
    """

    policies: PolicyKeeper
    requests: TokenRequests
    evaluator: Evaluator
    supply: TokenSupply
    observer: HandObserver


class TokenGetter:
    """The use case behind GetToken and Exchange."""

    def __init__(self, parts: GetterParts, *, clock: Callable[[], float]) -> None:
        """Takes its parts, and monotonic seconds."""
        self._parts = parts
        self._clock = clock

    async def get(self, this: Call, wanted: Wanted, shown: Shown | None) -> Handed:
        """A token for an upstream, for who calls and for nobody else.

        Args:
            this: In which it is asked for.
            wanted: What is asked for.
            shown: What shows the user; ``None`` for nothing.

        Raises:
            RequestError: A field does not fit the upstream.
            UpstreamUnknownError: There is no such upstream.
            EvidenceError: The evidence does not hold.
            EvidenceUnavailableError: That cannot be told now.
            MintError: Policy does not permit it.
            TokenRefusedError: The authorization server gives none that may be handed out.
            IssuerUnavailableError: It cannot be asked now.
            IdentityError: There is nothing to ask it with.
            DecisionLogError: It cannot be put on record.
        """
        start, found, name = self._clock(), None, OTHER
        try:
            while found is None:
                manifest = self._manifest()
                upstream = wanted.found_in(manifest)
                name = upstream.name
                found = await self._get(this, wanted, shown, upstream, manifest)
        except GoverndError as error:
            self._parts.observer.not_handed(name, error)
            raise
        handed, held = found
        self._parts.observer.handed(name, self._clock() - start, held=held)
        return handed

    async def _get(
        self, this: Call, wanted: Wanted, shown: Shown | None, upstream: Upstream, of: Manifest
    ) -> tuple[Handed, bool] | None:
        """The token, and whether it was held; ``None`` where all of that is to be asked again."""
        supply, epoch, caller = self._parts.supply, self._parts.policies.state.epoch, this.workload
        asked = await self._parts.requests.read(wanted, upstream, shown, (caller, of))
        order = Order(await self._allowed(this, asked), this, caller, shown, asked)
        held = supply.take(order, renew=wanted.renew)
        if held is not None:
            return _handed(order, held), True
        held = await supply.fetch(order)
        if held is None or self._parts.policies.state.epoch != epoch:
            return None
        return _handed(order, held), False

    async def _allowed(self, this: Call, asked: Asked) -> Allowed:
        """Policy's permit, on record."""
        evaluator = self._parts.evaluator
        (answer,) = await evaluator.put_on_record([evaluator.decide(this, asked.question)])
        if answer.decision.code is DecisionCode.LOG_UNAVAILABLE:
            message = "the decision cannot be put on record"
            raise DecisionLogError(message, retry_after=_RETRY_SECONDS)
        ruling = Ruling(answer.decision_id, answer.policy.digest)
        return allow(answer.question, answer.decision, asked.terms, ruling)

    def _manifest(self) -> Manifest:
        policy = self._parts.policies.state.policy
        if policy is None:
            message = "no policy is in force, so nothing is permitted"
            raise MintError(message, metadata={"rule": DecisionCode.NO_POLICY.name})
        return policy.manifest


def _handed(order: Order, held: Held) -> Handed:
    token, decision_id = held.token, order.allowed.ruling.decision_id
    return Handed(token.token, order.upstream, token.scopes, held.ends, decision_id)
