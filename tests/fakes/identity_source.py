"""A source of identities with registration entries that a test writes.

Implements ``governd.identity.ports.IdentitySource``. What it issues is real: certificates
and tokens of authorities in memory.
"""

import asyncio
import dataclasses
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import UTC, datetime, timedelta

from governd.adapters.embedded_ca import EmbeddedAuthority
from governd.adapters.embedded_jwt import JwtAuthority
from governd.errors import IdentityError, NoIdentityError
from governd.identity.secret import Secret
from governd.identity.svid import (
    JwtSvid,
    Selector,
    TrustBundles,
    Workload,
    WorkloadSvids,
    X509Svid,
)

TRUST_DOMAIN = "example.org"
LIFETIME = timedelta(minutes=1)


@dataclasses.dataclass
class _Entry:
    selectors: frozenset[Selector]
    svid: X509Svid
    federates_with: frozenset[str]


class FakeIdentitySource:
    """Issues by entries, at once.

    Attributes:
        subscriptions: How many are open now.
        begun: How many were begun.
    """

    name = "fake"

    def __init__(self, wall_clock: Callable[[], float]) -> None:
        """Has no entries; ``wall_clock`` tells seconds since 1970."""
        self.subscriptions = 0
        self.begun = 0
        self._wall_clock = wall_clock
        self._authority = EmbeddedAuthority(TRUST_DOMAIN, self._now())
        self._tokens = JwtAuthority()
        self._entries: dict[str, _Entry] = {}
        self._foreign: dict[str, EmbeddedAuthority] = {}
        self._problem: IdentityError | None = None
        self._news: set[asyncio.Event] = set()

    def register(
        self,
        path: str,
        *selectors: str,
        lifetime: timedelta = LIFETIME,
        federates_with: Sequence[str] = (),
    ) -> None:
        """Issues ``path`` to whoever has all of the selectors; again: a new certificate."""
        found = frozenset(Selector.parse(selector) for selector in selectors)
        svid = self._authority.issue(path, self._now(), lifetime=lifetime).svid()
        self._entries[path] = _Entry(found, svid, frozenset(federates_with))
        self._tell()

    def unregister(self, path: str) -> None:
        """Issues ``path`` to nobody any more."""
        del self._entries[path]
        self._tell()

    def federate(self, domain: str, *, trusted: bool = True) -> None:
        """Has a trust bundle of another trust domain from now on, or none."""
        if trusted:
            self._foreign[domain] = EmbeddedAuthority(domain, self._now())
        else:
            del self._foreign[domain]
        self._tell()

    def breaks(self, problem: IdentityError | None) -> None:
        """Every subscription ends with ``problem``, new ones too; ``None`` to mend it."""
        self._problem = problem
        self._tell()

    async def svids(self, workload: Workload) -> AsyncGenerator[WorkloadSvids, None]:
        """The workload's X.509-SVIDs now, and again whenever anything changes.

        Raises:
            IdentityError: The source is broken.
        """
        async for _ in self._each_change():
            yield self._said(workload)

    async def bundles(self) -> AsyncGenerator[TrustBundles, None]:
        """The trust bundles now, and again whenever anything changes.

        Raises:
            IdentityError: The source is broken.
        """
        async for _ in self._each_change():
            own = {TRUST_DOMAIN: self._authority.trust_bundle}
            foreign = {domain: one.trust_bundle for domain, one in self._foreign.items()}
            yield TrustBundles({**own, **foreign}, {TRUST_DOMAIN: self._tokens.key_set()})

    async def jwt_svids(self, workload: Workload, audiences: Sequence[str]) -> tuple[JwtSvid, ...]:
        """JWT-SVIDs of the workload.

        Raises:
            IdentityError: The source is broken, or issues nothing to it.
        """
        self._check()
        found = tuple(
            self._tokens.issue(svid.spiffe_id, audiences, self._now())
            for svid in self._said(workload).svids
        )
        if not found:
            message = "no registration entry matches"
            raise NoIdentityError(message)
        return found

    async def _each_change(self) -> AsyncGenerator[None, None]:
        self.begun += 1
        news = asyncio.Event()
        self._news.add(news)
        self.subscriptions += 1
        try:
            while True:
                self._check()
                news.clear()
                yield
                await news.wait()
        finally:
            self.subscriptions -= 1
            self._news.discard(news)

    def _said(self, workload: Workload) -> WorkloadSvids:
        has = frozenset(workload.selectors)
        found = [
            entry
            for entry in self._entries.values()
            if entry.selectors <= has and workload.spiffe_id in {None, entry.svid.spiffe_id}
        ]
        # Copies, so that a test can see whether anybody else keeps one.
        svids = tuple(
            dataclasses.replace(entry.svid, key=Secret(entry.svid.key.reveal())) for entry in found
        )
        return WorkloadSvids(svids, frozenset().union(*(entry.federates_with for entry in found)))

    def _check(self) -> None:
        if self._problem is not None:
            raise type(self._problem)(str(self._problem))

    def _tell(self) -> None:
        for news in self._news:
            news.set()

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._wall_clock(), UTC)
