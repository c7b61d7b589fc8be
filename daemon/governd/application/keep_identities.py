"""Keeps the identities of the workloads that are there, and the trust bundles.

One subscription for each workload, and one for the trust bundles; each begins anew by itself
when it breaks (``subscribe``). What is held lives in memory only.
"""

import asyncio
import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import NoReturn

from governd.application.hold_identity import HeldIdentity
from governd.application.identity_state import (
    Held,
    IdentityObserver,
    IdentityState,
    Phase,
)
from governd.application.latest import Latest
from governd.application.subscribe import Time, subscribe
from governd.errors import IdentityError
from governd.identity.ports import IdentitySource
from governd.identity.svid import TrustBundles, Workload

__all__ = ["Held", "HeldIdentity", "IdentityKeeper", "IdentityObserver", "IdentityState", "Phase"]

_LOOK_SECONDS = 1.0
"""The longest between two looks at what has expired: a wall clock may be set."""


class IdentityKeeper:
    """Holds the identities of every workload that is open."""

    def __init__(
        self,
        source: IdentitySource,
        *,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        observer: IdentityObserver,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Asks for nothing yet.

        Args:
            source: Issues identities.
            clock: Monotonic seconds.
            wall_clock: Seconds since 1970.
            observer: Told what happens.
            sleep: Waits for so many seconds.
        """
        self._source = source
        self._observer = observer
        self._time = Time(clock, wall_clock, sleep)
        self._held: dict[HeldIdentity, None] = {}
        self._ending: set[asyncio.Task[NoReturn]] = set()
        self._tasks: list[asyncio.Task[NoReturn]] = []
        self._bundles = Latest(TrustBundles())
        self._problem = f"no answer yet from {source.name}"
        self._problem_since = wall_clock()

    @property
    def source(self) -> str:
        """Where identities come from."""
        return self._source.name

    @property
    def bundles(self) -> TrustBundles:
        """What the source said last. Empty before it first answered."""
        return self._bundles.value

    @property
    def problem(self) -> str:
        """Why the source cannot be followed now; ``""`` while it can."""
        return self._problem

    @property
    def problem_since(self) -> float:
        """Since when there is a problem, in seconds since 1970, whatever its reasons were."""
        return self._problem_since

    @property
    def held(self) -> Held:
        """What is held now. Any thread may ask."""
        states = [state for _, state in self.states()]
        svids = [svid for state in states for svid in state.svids]
        return Held(
            workloads=len(states),
            ready=sum(state.phase is Phase.READY for state in states),
            svids=len(svids),
            oldest=min((svid.not_before.timestamp() for svid in svids), default=None),
            next_expiry=min((svid.not_after.timestamp() for svid in svids), default=None),
        )

    def start(self) -> None:
        """Begins to follow the trust bundles, and to drop what expires."""
        following = subscribe(self._source.bundles, self._take, self._fail, self._time)
        self._tasks = [asyncio.ensure_future(following), asyncio.ensure_future(self._expire())]

    def open(self, workload: Workload) -> HeldIdentity:
        """Begins to hold the identities of a workload, until that is closed."""
        held = HeldIdentity(
            workload, self._source, self._observer, time=self._time, on_close=self._forget
        )
        self._held[held] = None
        return held

    def bundle_changes(self) -> AsyncGenerator[TrustBundles, None]:
        """The trust bundles now and whenever they are others; ends when this is closed."""
        return self._bundles.follow()

    def states(self) -> list[tuple[Workload, IdentityState]]:
        """Every open workload and what it has now, in the order in which they were opened.

        Any thread may ask: nobody is told of what has expired.
        """
        now = self._time.wall_clock()
        return [(held.workload, held.at(now)) for held in list(self._held)]

    async def close(self) -> None:
        """Closes every workload, forgets the trust bundles, and returns when all has ended."""
        for held in list(self._held):
            held.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, *self._ending, return_exceptions=True)
        self._bundles.close(TrustBundles())

    def _forget(self, held: HeldIdentity) -> None:
        del self._held[held]
        self._ending.add(held.task)
        held.task.add_done_callback(self._ending.discard)

    def _take(self, bundles: TrustBundles) -> None:
        self._bundles.set(bundles)
        if self._problem:
            self._problem = ""
            self._observer.followed()

    def _fail(self, error: IdentityError) -> None:
        problem = str(error)
        if not self._problem:
            self._problem_since = self._time.wall_clock()
        again, self._problem = problem == self._problem, problem
        self._observer.failed(None, error, again=again)

    async def _expire(self) -> NoReturn:
        while True:
            for held in list(self._held):
                held.expire()
            next_expiry = self.held.next_expiry
            left = math.inf if next_expiry is None else next_expiry - self._time.wall_clock()
            await self._time.sleep(min(_LOOK_SECONDS, left))
