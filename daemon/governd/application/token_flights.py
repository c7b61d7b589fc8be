"""One request to an authorization server, however many calls wait for what comes of it.

Promises:
    * Of one key one flight is under way at a time. Whoever comes meanwhile waits for that
      one, and whoever hangs up ends it for nobody else.
    * A failure that a retry would only repeat is kept for a moment, and told to all who ask
      for the same: a server that refuses, or cannot, is not asked again by each call.
    * No caller has more flights under way than it may have calls: not by hanging up, either.
      Nor does it begin them faster than it may: a server's patience is for all callers.
"""

import asyncio
import contextlib
import copy
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, NamedTuple, NoReturn, TypeVar

from cachetools import LRUCache, TLRUCache

from governd.errors import (
    ConcurrencyLimitedError,
    DecisionLogError,
    GoverndError,
    IssuerUnavailableError,
    LimitError,
    RateLimitedError,
    TokenRefusedError,
)

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

LONGEST_SECONDS = 60.0
"""A failure is kept no longer, whatever a server says of when to come back."""
_RETRY_SECONDS = 0.1
_CALLERS = 8192
_KEPT = (TokenRefusedError, IssuerUnavailableError, DecisionLogError)
"""The log is among them: without it, each call would have a token issued for nobody."""


class FlightLimits(NamedTuple):
    """How much is remembered, and how much may be under way.

    Attributes:
        kept: Failures.
        seconds: A failure is kept so long at least.
        each: Flights of one caller at a time.
        per_second: Flights of one caller, in the long run.
        burst: Flights of one caller at once, before ``per_second`` holds.
    """

    kept: int = 4096
    seconds: float = 2.0
    each: int = 256
    per_second: float = 10.0
    burst: int = 100


class _Failure(NamedTuple):
    error: GoverndError
    until: float


class _Allowance:
    """What a caller may begin; it fills up as time passes."""

    __slots__ = ("at", "left")

    def __init__(self, burst: int, now: float) -> None:
        self.left = float(burst)
        self.at = now


class Flights(Generic[K, V]):
    """What is being asked for, and what failed a moment ago."""

    def __init__(self, limits: FlightLimits, *, clock: Callable[[], float]) -> None:
        """Nothing is under way yet.

        Args:
            limits: How much may be.
            clock: Monotonic seconds.
        """
        self._limits = limits
        self._clock = clock
        self._flights: dict[K, asyncio.Future[V]] = {}
        self._each: Counter[Hashable] = Counter()
        self._allowances: LRUCache[Hashable, _Allowance] = LRUCache(_CALLERS)
        self._failed: TLRUCache[K, _Failure] = TLRUCache(
            limits.kept, ttu=lambda _key, failure, _now: failure.until, timer=clock
        )

    def __len__(self) -> int:
        """How many are under way."""
        return len(self._flights)

    async def join(self, key: K, who: Hashable, fly: Callable[[], Awaitable[V]]) -> V:
        """What comes of the flight for ``key``, which is begun if none is under way.

        Args:
            key: What it is for.
            who: On whose account it is.
            fly: Asks.

        Raises:
            ConcurrencyLimitedError: Too many are under way on that account.
            RateLimitedError: Too many were begun on it.
            GoverndError: As ``fly`` raises it, now or a moment ago.
        """
        flight = self._flights.get(key)
        if flight is None:
            flight = self._begin(key, who, fly)
        return await asyncio.shield(flight)

    def ahead(self, key: K, who: Hashable, fly: Callable[[], Awaitable[V]]) -> None:
        """Begins a flight that nobody waits for, if one may be begun now."""
        if key not in self._flights and key not in self._failed:
            with contextlib.suppress(LimitError):
                self._begin(key, who, fly)

    async def close(self) -> None:
        """Ends all of them."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    def _begin(self, key: K, who: Hashable, fly: Callable[[], Awaitable[V]]) -> "asyncio.Future[V]":
        failure = self._failed.get(key)
        if failure is not None:
            self._tell(failure)
        self._charge(who)
        flight = self._flights[key] = asyncio.ensure_future(fly())
        self._each[who] += 1
        flight.add_done_callback(lambda done: self._landed(key, who, done))
        return flight

    def _charge(self, who: Hashable) -> None:
        limits, now = self._limits, self._clock()
        if self._each[who] >= limits.each:
            message = f"{limits.each} tokens are being asked for already"
            raise ConcurrencyLimitedError(message, retry_after=_RETRY_SECONDS)
        one = self._allowances.get(who)
        if one is None:
            one = self._allowances[who] = _Allowance(limits.burst, now)
        one.left = min(limits.burst, one.left + (now - one.at) * limits.per_second)
        one.at = now
        if one.left < 1:
            message = f"more than {limits.per_second:g} new tokens a second are asked for"
            raise RateLimitedError(message, retry_after=(1 - one.left) / limits.per_second)
        one.left -= 1

    def _landed(self, key: K, who: Hashable, flight: "asyncio.Future[V]") -> None:
        del self._flights[key]
        self._each[who] -= 1
        if not self._each[who]:
            del self._each[who]
        error = None if flight.cancelled() else flight.exception()
        if isinstance(error, GoverndError):
            seconds = self._kept_seconds(error)
            if seconds:
                # A copy has no traceback, and so none of what was sent or came.
                self._failed[key] = _Failure(copy.copy(error), self._clock() + seconds)

    def _kept_seconds(self, error: GoverndError) -> float:
        """How long it is kept; 0 for what another caller, or the same at once, may not meet."""
        if not isinstance(error, _KEPT):
            return 0.0
        return min(max(self._limits.seconds, error.retry_after or 0.0), LONGEST_SECONDS)

    def _tell(self, failure: _Failure) -> NoReturn:
        error = copy.copy(failure.error)  # each call's own: it is raised, and changed
        if error.retry_after is not None:
            error.retry_after = max(_RETRY_SECONDS, failure.until - self._clock())
        raise error
