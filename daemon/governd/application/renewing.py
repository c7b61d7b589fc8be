"""Things that are fetched, kept, and fetched again before they are too old.

Promises:
    * However many wait for a thing, it is fetched once at a time; whoever hangs up ends that
      for nobody else. None waits for another.
    * Between two attempts are at least ``least`` seconds, and ever more where nobody waits
      while they fail.
    * They are renewed ahead, in the background.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Hashable
from typing import Generic, NamedTuple, Never, TypeVar

from governd.errors import GoverndError

LOOK_SECONDS = 1.0
"""How often is looked for what is due."""
_JITTER = 0.1
_MOST_DOUBLINGS = 16

Value = TypeVar("Value")
Source = TypeVar("Source", bound=Hashable)


class Times(NamedTuple):
    """How old a thing may be, in seconds.

    Attributes:
        refresh: From this age on it is renewed.
        max_staleness: At this age it counts no longer.
        least: Between two attempts.
    """

    refresh: float
    max_staleness: float
    least: float = 10.0


class Passing(NamedTuple):
    """Time, and how it is waited for.

    Attributes:
        clock: Monotonic seconds.
        sleep: Waits for so many seconds.
        spread: Between 0 and 1, so that not all daemons ask at once.
    """

    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    spread: Callable[[], float]


class Renewed(Generic[Value]):
    """One of them, and when it was fetched.

    Attributes:
        value: What came last; ``None`` before anything did.
        problem: Why the last attempt failed; ``None`` where it did not.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[Value]],
        told: Callable[[str], object],
        times: Times,
        passing: Passing,
    ) -> None:
        """Fetches nothing yet.

        Args:
            fetch: Fetches it; raises a ``GoverndError`` or ``ValueError`` where it fails.
            told: Of each attempt, with what went wrong; ``""`` for nothing.
            times: How old it may be.
            passing: Time.
        """
        self.value: Value | None = None
        self.problem: GoverndError | ValueError | None = None
        self._fetch = fetch
        self._told = told
        self._times = times
        self._clock = passing.clock
        self._spread = passing.spread
        self._fetched = self._tried = self._due = -float("inf")
        self._failures = 0
        self._task: asyncio.Task[None] | None = None

    @property
    def age(self) -> float:
        """Seconds since it was fetched."""
        return self._clock() - self._fetched

    @property
    def counts(self) -> bool:
        """Whether it is there, and not too old."""
        return self.age < self._times.max_staleness

    @property
    def is_due(self) -> bool:
        """Whether it is time to renew it."""
        return self._clock() >= self._due

    @property
    def again_after(self) -> float:
        """Seconds until another attempt may be made, at least one."""
        return max(1.0, self._tried + self._times.least - self._clock())

    async def ask(self) -> None:
        """Waits for one attempt, where one may be made or is under way."""
        running = self._task is not None and not self._task.done()
        if running or self._clock() - self._tried >= self._times.least:
            await asyncio.wait([self.begin()])

    def begin(self) -> "asyncio.Task[None]":
        """Begins an attempt, if none is under way."""
        if self._task is None or self._task.done():
            self._tried = self._clock()
            self._task = asyncio.ensure_future(self._renew())
        return self._task

    def end(self) -> "asyncio.Task[None] | None":
        """Ends the attempt that is under way."""
        if self._task is not None:
            self._task.cancel()
        return self._task

    async def _renew(self) -> None:
        before = self._clock()
        try:
            self.value = await self._fetch()
        except (GoverndError, ValueError) as error:
            self.problem, doublings = error, min(self._failures, _MOST_DOUBLINGS)
            self._failures += 1
            wait = min(self._times.refresh, self._times.least * 2**doublings)
            self._told(str(error) or type(error).__name__)
        else:
            self.problem, self._failures, self._fetched = None, 0, before
            wait = self._times.refresh
            self._told("")
        self._due = self._clock() + wait * (1 - _JITTER * self._spread())


class RenewedSet(Generic[Source, Value]):
    """All of one kind, by where each is fetched from."""

    def __init__(
        self,
        fetch: Callable[[Source], Awaitable[Value]],
        told: Callable[[Source, str], object],
        times: Times,
        *,
        named: Callable[[], Collection[Source]],
        passing: Passing,
    ) -> None:
        """Holds nothing yet.

        Args:
            fetch: As for ``Renewed``.
            told: Likewise.
            times: How old one may be.
            named: Those that policy names now; what it names no more is forgotten.
            passing: Time.
        """
        self._fetch = fetch
        self._told = told
        self._times = times
        self._named = named
        self._passing = passing
        self._held: dict[Source, Renewed[Value]] = {}

    def of(self, source: Source) -> Renewed[Value]:
        """What is fetched from there."""
        held = self._held.get(source)
        if held is None:
            held = self._held[source] = Renewed(
                lambda: self._fetch(source),
                lambda error: self._told(source, error),
                self._times,
                self._passing,
            )
        return held

    def oldest_seconds(self) -> float:
        """The greatest age of what was fetched, 0 for nothing."""
        ages = (one.age for one in list(self._held.values()))
        return max((age for age in ages if age < float("inf")), default=0.0)

    async def tend(self) -> Never:
        """Renews all that policy names before anybody waits for it, for ever."""
        while True:
            named = set(self._named())
            for gone in self._held.keys() - named:
                self._held.pop(gone).end()
            for source in named:
                held = self.of(source)
                if held.is_due:
                    held.begin()
            await self._passing.sleep(LOOK_SECONDS)

    async def close(self) -> None:
        """Forgets all, and ends all attempts."""
        tasks = [task for one in self._held.values() if (task := one.end())]
        self._held.clear()
        await asyncio.gather(*tasks, return_exceptions=True)
