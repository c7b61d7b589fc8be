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

from cachetools import LRUCache

from governd.application.renewing import Passing, Renewed, RenewedSet, Times
from governd.delegation.evidence_faults import EvidenceUnavailableError
from governd.delegation.issuer_key_set import IssuerKeySet
from governd.policy.jwk import Jwk
from governd.policy.trusted import Issuer

_STATED = 64
"""Issuers whose stated keys are not read anew for each token."""


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


class _Where(NamedTuple):
    """Whose keys, and where they are."""

    issuer: str
    name: str
    uri: str


class IssuerKeyKeeper:
    """Holds the keys of the issuers that policy names."""

    def __init__(
        self,
        source: KeySource,
        observer: KeyObserver,
        times: Times,
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
        self._issuers = issuers
        self._stated: LRUCache[tuple[Jwk, ...], IssuerKeySet] = LRUCache(_STATED)
        self._held: RenewedSet[_Where, IssuerKeySet] = RenewedSet(
            self._fetch,
            self._tell,
            times,
            named=self._named,
            passing=Passing(clock, sleep, spread),
        )

    async def keys(self, issuer: Issuer, key_id: str) -> IssuerKeySet:
        """An issuer's keys, as new as a token with that ``kid`` demands.

        Raises:
            EvidenceUnavailableError: They cannot be had, or not as new.
        """
        if issuer.jwks_uri is None:
            return self._those_stated(issuer.key)
        held = self._held.of(_Where(issuer.issuer, issuer.name, issuer.jwks_uri))
        if not held.counts or held.value is None or key_id not in held.value:
            await held.ask()
        if not held.counts or held.value is None:
            _refuse(issuer, held, "its keys cannot be had")
        if key_id not in held.value and held.problem is not None:
            _refuse(issuer, held, "it cannot be asked whether it has new keys")
        return held.value

    async def tend(self) -> Never:
        """Renews keys before anybody waits for them, for ever."""
        await self._held.tend()

    def oldest_seconds(self) -> float:
        """The greatest age of keys that were fetched, 0 for none."""
        return self._held.oldest_seconds()

    async def close(self) -> None:
        """Ends all attempts."""
        await self._held.close()

    def _those_stated(self, keys: tuple[Jwk, ...]) -> IssuerKeySet:
        found = self._stated.get(keys)
        if found is None:
            found = self._stated[keys] = IssuerKeySet(key.members() for key in keys)
        return found

    def _named(self) -> list[_Where]:
        return [
            _Where(one.issuer, one.name, one.jwks_uri) for one in self._issuers() if one.jwks_uri
        ]

    async def _fetch(self, where: _Where) -> IssuerKeySet:
        return IssuerKeySet.read(await self._source.fetch(where.uri))

    def _tell(self, where: _Where, error: str) -> None:
        if error:
            self._observer.failed(where.name, error)
        else:
            self._observer.fetched(where.name)


def _refuse(issuer: Issuer, held: Renewed[IssuerKeySet], why: str) -> Never:
    message = f"evidence: issuer {issuer.name}: {why}"
    raise EvidenceUnavailableError(message, retry_after=held.again_after, issuer=issuer.name)
