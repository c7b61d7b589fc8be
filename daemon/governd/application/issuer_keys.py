"""Keeps the keys of issuers: as new as tokens demand, and no older than may be.

Promises:
    * However many tokens wait for an issuer's keys, it is asked once; whoever hangs up ends
      that for nobody else. No issuer waits for another.
    * A ``kid`` that is not known has the issuer asked again, but not more often than every
      ``least_seconds``, whatever tokens say.
    * Keys are renewed ahead, in the background. While an issuer cannot be asked the last
      ones stay good up to ``max_staleness_seconds``, and no longer.
    * Keys that policy states itself need nobody.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Never, Protocol

from governd.delegation.evidence_faults import EvidenceUnavailableError
from governd.delegation.issuer_key_set import IssuerKeySet
from governd.errors import GoverndError
from governd.policy.trusted import Issuer

LOOK_SECONDS = 1.0
"""How often is looked for keys that are due."""
_JITTER = 0.1


class IssuerAwayError(GoverndError):
    """An issuer's keys cannot be fetched: it is away, or says something else."""


class KeySource(Protocol):
    """Fetches documents with keys."""

    async def fetch(self, uri: str) -> bytes:
        """The document at an address.

        Raises:
            IssuerAwayError: It cannot be had, or may not be fetched from there.
        """


class KeyObserver(Protocol):
    """Watches the keys of issuers, for metrics and logs."""

    def fetched(self, name: str) -> None:
        """An issuer's keys came."""

    def failed(self, name: str, error: str) -> None:
        """They did not come."""


class KeyTimes(NamedTuple):
    """How old keys may be, in seconds.

    Attributes:
        refresh: From this age on they are renewed.
        max_staleness: At this age they count no longer.
        least: Between two attempts.
    """

    refresh: float
    max_staleness: float
    least: float = 10.0


class _Held:
    """What is known of one issuer's keys."""

    def __init__(self, issuer: Issuer) -> None:
        self.issuer = issuer
        self.keys = IssuerKeySet(key.members() for key in issuer.key)
        self.fetched = -float("inf")
        self.tried = -float("inf")
        self.due = -float("inf")
        self.failures = 0
        self.fetching: asyncio.Task[None] | None = None

    def is_of(self, issuer: Issuer) -> bool:
        """Whether policy still means the same keys."""
        return (self.issuer.jwks_uri, self.issuer.key) == (issuer.jwks_uri, issuer.key)


class IssuerKeyKeeper:
    """Holds the keys of the issuers that policy names."""

    def __init__(
        self,
        source: KeySource,
        observer: KeyObserver,
        times: KeyTimes,
        *,
        issuers: Callable[[], Sequence[Issuer]],
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        spread: Callable[[], float] = random.random,
    ) -> None:
        """Holds nothing yet.

        Args:
            source: Fetches keys.
            observer: Told of each attempt.
            times: How old keys may be.
            issuers: Those that the policy in force names.
            clock: Monotonic seconds.
            sleep: Waits.
            spread: Between 0 and 1, so that not all daemons ask at once.
        """
        self._source = source
        self._observer = observer
        self._times = times
        self._issuers = issuers
        self._clock = clock
        self._sleep = sleep
        self._spread = spread
        self._held: dict[str, _Held] = {}

    async def keys(self, issuer: Issuer, key_id: str) -> IssuerKeySet:
        """An issuer's keys, as new as a token with that ``kid`` demands.

        Raises:
            EvidenceUnavailableError: They cannot be had, or not as new.
        """
        held = self._of(issuer)
        if issuer.jwks_uri is None:
            return held.keys
        if self._age(held) >= self._times.max_staleness or key_id not in held.keys:
            await self._ask(held)
        if self._age(held) >= self._times.max_staleness:
            self._refuse(held, "its keys cannot be had")
        if key_id not in held.keys and held.failures:
            self._refuse(held, "it cannot be asked whether it has new keys")
        return held.keys

    async def tend(self) -> Never:
        """Renews keys before anybody waits for them, for ever."""
        while True:
            named = {one.issuer: one for one in self._issuers()}
            for gone in self._held.keys() - named.keys():
                self._forget(gone)
            for issuer in named.values():
                held = self._of(issuer)
                if issuer.jwks_uri and self._clock() >= held.due:
                    self._begin(held)
            await self._sleep(LOOK_SECONDS)

    def oldest_seconds(self) -> float:
        """The greatest age of keys that were fetched, 0 for none."""
        ages = (self._age(one) for one in list(self._held.values()) if one.issuer.jwks_uri)
        return max((age for age in ages if age < float("inf")), default=0.0)

    async def close(self) -> None:
        """Ends all attempts."""
        tasks = [one.fetching for one in self._held.values() if one.fetching]
        for name in list(self._held):
            self._forget(name)
        await asyncio.gather(*tasks, return_exceptions=True)

    def _of(self, issuer: Issuer) -> _Held:
        held = self._held.get(issuer.issuer)
        if held is None or not held.is_of(issuer):
            self._forget(issuer.issuer)
            held = self._held[issuer.issuer] = _Held(issuer)
        return held

    def _forget(self, name: str) -> None:
        held = self._held.pop(name, None)
        if held is not None and held.fetching is not None:
            held.fetching.cancel()

    def _age(self, held: _Held) -> float:
        return self._clock() - held.fetched

    async def _ask(self, held: _Held) -> None:
        """Waits for one attempt, where one may be made or is under way."""
        running = held.fetching is not None and not held.fetching.done()
        if running or self._clock() - held.tried >= self._times.least:
            await asyncio.wait([self._begin(held)])

    def _begin(self, held: _Held) -> "asyncio.Task[None]":
        if held.fetching is None or held.fetching.done():
            held.tried = self._clock()
            held.fetching = asyncio.ensure_future(self._fetch(held))
        return held.fetching

    async def _fetch(self, held: _Held) -> None:
        name, before = held.issuer.name, self._clock()
        try:
            document = await self._source.fetch(held.issuer.jwks_uri or "")
            held.keys = IssuerKeySet.read(document)
        except (IssuerAwayError, ValueError) as error:
            held.failures += 1
            self._observer.failed(name, str(error))
            wait = min(self._times.refresh, self._times.least * 2 ** min(held.failures - 1, 16))
        else:
            held.failures, held.fetched, wait = 0, before, self._times.refresh
            self._observer.fetched(name)
        held.due = self._clock() + wait * (1 - _JITTER * self._spread())

    def _refuse(self, held: _Held, why: str) -> Never:
        again = held.tried + self._times.least - self._clock()
        message = f"evidence: issuer {held.issuer.name}: {why}"
        raise EvidenceUnavailableError(
            message, retry_after=max(1.0, again), issuer=held.issuer.name
        )
