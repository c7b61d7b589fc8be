"""Where tokens for upstreams come from: held ones, and new ones, each asked for once.

Promises:
    * However many wait for the same token, one request goes to each server that is needed.
    * A new token is on record, durably, before anybody has it; one that was refused after
      policy had permitted it is on record, too.
    * A token ends with the evidence and with the agent's identity that it rests on.
    * A token that has ended is gone within a second, and so is one that policy would deny: its
      upstream is another or gone, its user or its agent is revoked.
"""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Never, Protocol

from governd.application.issue_token import TokenIssuance
from governd.application.sync_policy import PolicyKeeper
from governd.application.token_cache import HeldToken, TokenCache
from governd.application.token_flights import Flights
from governd.application.token_lines import Occasion, issued_line, refused_line
from governd.application.token_order import Order
from governd.application.token_request import TokenRequests, expired
from governd.audit.ports import DecisionLog
from governd.errors import (
    DecisionLogError,
    GoverndError,
    IssuerUnavailableError,
    NoIdentityError,
    TokenRefusedError,
)
from governd.policy.compiled import CompiledPolicy
from governd.policy.delegated import user_id
from governd.tokens.check import AccessToken
from governd.tokens.held import Held, TokenKey, hold

LOOK_SECONDS = 1.0
"""How often is looked for tokens that are not to be kept."""
_RETRY_SECONDS = 1.0


class IssueObserver(Protocol):
    """Watches tokens that come, for metrics and logs. Never sees one."""

    def issued(self, upstream: str) -> None:
        """An authorization server gave one, and it is on record."""

    def not_issued(self, upstream: str, error: GoverndError) -> None:
        """None did, or none that may be handed out."""

    def holds(self, tokens: int) -> None:
        """So many are held now."""


@dataclass(frozen=True, slots=True)
class SupplyParts:
    """What a ``TokenSupply`` works with.

    Attributes:
        policies: Holds the policy in force.
        requests: Knows how upstreams are defined.
        issuance: Asks authorization servers.
        cache: Holds tokens.
        flights: Sees to it that a server is asked once.
        log: Where tokens are put on record.
        observer: Told of each.
    """

    policies: PolicyKeeper
    requests: TokenRequests
    issuance: TokenIssuance
    cache: TokenCache
    flights: Flights[TokenKey, Held]
    log: DecisionLog
    observer: IssueObserver


class TokenSupply:
    """Tokens that are held, and those that are on their way."""

    def __init__(
        self,
        parts: SupplyParts,
        *,
        wall_clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        spread: Callable[[], float] = random.random,
    ) -> None:
        """Takes its parts, seconds since 1970, what waits, and numbers from 0 to 1."""
        self._parts = parts
        self._wall_clock = wall_clock
        self._sleep = sleep
        self._spread = spread

    def __len__(self) -> int:
        """How many are held."""
        return len(self._parts.cache)

    def __iter__(self) -> Iterator[HeldToken]:
        """Those that are held, by upstream and then by caller."""
        return iter(self._parts.cache)

    def take(self, order: Order, *, renew: bool) -> Held | None:
        """The token that is held, to be handed out; another one is asked for when it is time.

        One that ends with its evidence is not asked for anew: another would end with it, too.

        Args:
            order: What is to be handed out.
            renew: Whether it was refused: then it is none, unless it is young. It stays held
                until another one is there.
        """
        key, now = order.asked.key, self._wall_clock()
        held = self._parts.cache.take(key, now)
        if held is None or (renew and not held.is_young(now)):
            return None
        if held.is_due(now) and held.ends not in order.asked.evidence_ends:
            self._parts.flights.ahead(key, key.caller, lambda: self._fetch(order))
        return held

    async def fetch(self, order: Order) -> Held | None:
        """A new token, on record and held; ``None`` for one that ended meanwhile.

        Raises:
            TokenRefusedError: There is none that may be handed out.
            IssuerUnavailableError: An authorization server cannot be asked now.
            IdentityError: There is nothing to ask it with.
            EvidenceError: The evidence ended while it was asked.
            DecisionLogError: The token cannot be put on record.
            LimitError: The caller waits for too many, or asked for too many.
        """
        if order.call.held is None and order.upstream.shows_agent_svid:
            # Here, as others who are this agent may be waiting for the same.
            message = "governd holds no identity of the caller: its channel alone proves who it is"
            raise NoIdentityError(message)
        key = order.asked.key
        held = await self._parts.flights.join(key, key.caller, lambda: self._fetch(order))
        now = self._wall_clock()
        self._parts.cache.take(key, now)
        return held if held.counts(now) else None

    async def tend(self) -> Never:
        """Drops what has ended, and what policy would deny, for ever."""
        while True:
            await self._sleep(LOOK_SECONDS)
            for _ in self._parts.cache.sweep(self._is_kept):
                await asyncio.sleep(0)
            self._parts.observer.holds(len(self))

    async def close(self) -> None:
        """Ends what is under way, and forgets every token."""
        await self._parts.flights.close()
        self._parts.cache.clear()

    async def _fetch(self, order: Order) -> Held:
        name, parts = order.upstream.name, self._parts
        try:
            held = await self._recorded(order)
        except GoverndError as error:
            parts.observer.not_issued(name, error)
            raise
        if self._is_kept(order.asked.key, held):
            parts.cache.keep(order.asked.key, held)
        parts.observer.issued(name)
        return held

    async def _recorded(self, order: Order) -> Held:
        token = await self._issued(order)
        now, rests_on = self._wall_clock(), (*order.asked.evidence_ends, *_svid_ends(order))
        held = hold(token, order.user, rests_on=rests_on, now=now, jitter=self._spread())
        if not held.counts(now):
            expired()
        try:
            await self._parts.log.append_durably([issued_line(_occasion(order, now), held)])
        except DecisionLogError as error:
            raise DecisionLogError(str(error), retry_after=_RETRY_SECONDS) from error
        return held

    async def _issued(self, order: Order) -> AccessToken:
        try:
            return await self._parts.issuance.issue(order)
        except (TokenRefusedError, IssuerUnavailableError) as error:
            error.metadata.setdefault("upstream", order.upstream.name)
            error.metadata.setdefault("authorization_server", order.server.name)
            if isinstance(error, TokenRefusedError):
                occasion = _occasion(order, self._wall_clock())
                with contextlib.suppress(DecisionLogError):  # whoever asked hears of the first
                    await self._parts.log.append([refused_line(occasion, error)])
            raise

    def _is_kept(self, key: TokenKey, held: Held) -> bool:
        policy = self._parts.policies.state.policy
        if policy is None or not held.counts(self._wall_clock()):
            return False
        if policy.is_revoked(key.caller) or _is_revoked(policy, held):
            return False
        upstream = policy.manifest.upstreams_by_name.get(key.upstream)
        if upstream is None:
            return False
        found = self._parts.requests.definition(upstream, policy.manifest)
        return found.digest == key.definition


def _occasion(order: Order, now: float) -> Occasion:
    return Occasion(
        caller=order.caller,
        user=order.user,
        upstream=order.upstream,
        server=order.server,
        scopes=order.scopes,
        evidence=order.asked.key.evidence,
        decision_id=order.allowed.ruling.decision_id,
        time=now,
    )


def _svid_ends(order: Order) -> tuple[float, ...]:
    """When the agent's identity ends, where it was shown for the token.

    Raises:
        NoIdentityError: It has ended meanwhile.
    """
    held = order.call.held
    if held is None or not order.upstream.shows_agent_svid:
        return ()
    mine = order.allowed.principal
    ends = [one.not_after.timestamp() for one in held.state.svids if one.spiffe_id == mine]
    if not ends:
        message = f"{mine} is not issued to this workload any more"
        raise NoIdentityError(message)
    return (max(ends),)


def _is_revoked(policy: CompiledPolicy, held: Held) -> bool:
    if held.user is None:
        return False
    name = user_id(held.user)
    return name in policy.revoked or name in policy.manifest.revoked.users
