"""What a workload may see: its identities, and the trust bundles that go with them.

Follows the SPIFFE Workload API standard, sections 4.3 to 4.6
(https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE_Workload_API.md). Each view is
the full state: what it lacks is revoked. A workload sees the trust bundles of its own trust
domains and of those that its registration federates with, and of no others.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from governd.application.keep_identities import HeldIdentity, IdentityKeeper, IdentityState
from governd.errors import IdentityError, SourceAwayError
from governd.identity.svid import TrustBundles, X509Svid

Bundle = TypeVar("Bundle")
Seen = TypeVar("Seen")

PATIENCE_SECONDS = 0.25
"""A workload may ask before its identity has come, which takes milliseconds: who is told
that there is none waits a second or more before it asks again."""


@dataclass(frozen=True, slots=True)
class View:
    """What a workload with an identity may see at one moment.

    Attributes:
        svids: Its X.509-SVIDs, the default one first.
        x509: X.509 authorities, by trust domain.
        jwt: JWKS documents, by trust domain.
    """

    svids: tuple[X509Svid, ...]
    x509: Mapping[str, tuple[bytes, ...]]
    jwt: Mapping[str, bytes]

    @property
    def own(self) -> frozenset[str]:
        """The trust domains of its identities."""
        return frozenset(svid.spiffe_id.trust_domain for svid in self.svids)


See = Callable[[View], Seen]
"""Takes from a view what somebody wants. May raise ``IdentityError``: it is not there yet."""


def view(state: IdentityState, bundles: TrustBundles) -> View:
    """What a workload may see.

    Raises:
        NoIdentityError: Nothing is issued to it.
        IdentityError: It cannot be known now what is issued to it.
    """
    if state.problem is not None and not state.svids:
        raise state.problem
    own = {svid.spiffe_id.trust_domain for svid in state.svids}
    visible = own | state.federates_with
    return View(state.svids, _of(bundles.x509, visible), _of(bundles.jwt, visible))


def x509_bundles(seen: View) -> Mapping[str, tuple[bytes, ...]]:
    """The X.509 trust bundles, those of its own trust domains among them.

    Raises:
        SourceAwayError: One of those is not there.
    """
    return _with_own(seen, seen.x509)


def jwt_bundles(seen: View) -> Mapping[str, bytes]:
    """The JWT trust bundles, those of its own trust domains among them.

    Raises:
        SourceAwayError: One of those is not there.
    """
    return _with_own(seen, seen.jwt)


class WorkloadViews:
    """Shows workloads what they may see."""

    def __init__(
        self, keeper: IdentityKeeper, *, patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        """Takes what keeps the trust bundles, and how long who asks first is kept waiting."""
        self._keeper = keeper
        self._patience = patience_seconds

    async def first(self, held: HeldIdentity, see: See[Seen]) -> Seen:
        """What ``see`` finds, as soon as it finds anything and at once if it does.

        Raises:
            IdentityError: It does not for longer than anybody is kept waiting.
        """
        with contextlib.suppress(IdentityError):
            return see(self._view(held))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience):
                return await self._when_there(held, see)
        return see(self._view(held))

    async def follow(self, held: HeldIdentity, see: See[Seen]) -> AsyncGenerator[Seen, None]:
        """What ``see`` finds, and whenever it finds another.

        Raises:
            IdentityError: It finds nothing any more, or not even once.
        """
        last = await self.first(held, see)
        yield last
        async with contextlib.aclosing(self._moments(held)) as moments:
            async for _ in moments:
                found = see(self._view(held))
                if found != last:
                    last = found
                    yield last

    async def _when_there(self, held: HeldIdentity, see: See[Seen]) -> Seen:
        async with contextlib.aclosing(self._moments(held)) as moments:
            while True:
                await anext(moments)
                with contextlib.suppress(IdentityError):
                    return see(self._view(held))

    def _view(self, held: HeldIdentity) -> View:
        return view(held.state, self._keeper.bundles)

    async def _moments(self, held: HeldIdentity) -> AsyncGenerator[None, None]:
        """Now, and whenever identities or trust bundles may be others."""
        changed = asyncio.Event()
        sources = (held.changes(), self._keeper.bundle_changes())
        tasks = [asyncio.ensure_future(_tell(source, changed)) for source in sources]
        try:
            while True:
                changed.clear()
                yield
                await changed.wait()
        finally:
            for task in tasks:
                task.cancel()


async def _tell(source: AsyncIterable[object], changed: asyncio.Event) -> None:
    async for _ in source:
        changed.set()


def _of(bundles: Mapping[str, Bundle], domains: set[str]) -> dict[str, Bundle]:
    return {domain: bundles[domain] for domain in sorted(domains) if domain in bundles}


def _with_own(seen: View, bundles: Mapping[str, Bundle]) -> Mapping[str, Bundle]:
    missing = sorted(seen.own - bundles.keys())
    if missing:
        message = f"the trust bundle of {missing[0]} has not come yet"
        raise SourceAwayError(message)
    return bundles
