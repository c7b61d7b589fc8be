"""Tells whoever reuses answers that they are still good, and at once when they are not."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable

from governd.application.sync_policy import PolicyKeeper
from governd.policy.decision import PolicyInfo

BEAT_SECONDS = 0.5
"""The longest between two messages."""
_EARLIEST = 0.7
"""Of a beat. Clients take messages closer than 0.3 s to one another for a backlog."""
SILENCE_SECONDS = 1.2
"""Two beats and something: a caller that hears nothing for so long is on its own."""


class EpochFeed:
    """The epoch, to any number of followers.

    Attributes:
        beat_seconds: The longest between two messages to a follower.
        silence_seconds: After how much silence a follower must reuse nothing.
    """

    def __init__(
        self,
        keeper: PolicyKeeper,
        *,
        clock: Callable[[], float],
        beat_seconds: float = BEAT_SECONDS,
    ) -> None:
        """Takes what holds the policy in force; ``clock`` tells its monotonic seconds."""
        self.beat_seconds = beat_seconds
        self.silence_seconds = SILENCE_SECONDS
        self._keeper = keeper
        self._clock = clock
        self._followers: set[asyncio.Event] = set()

    def changed(self) -> None:
        """Wakes every follower: the policy in force is another, or known better."""
        for follower in self._followers:
            follower.set()

    @property
    def followers(self) -> int:
        """How many follow."""
        return len(self._followers)

    async def follow(self) -> AsyncIterator[PolicyInfo]:
        """The policy in force now, whenever it changes, and in every beat, for ever."""
        news = asyncio.Event()
        self._followers.add(news)
        try:
            while True:
                news.clear()
                yield self._keeper.state.info(self._clock())
                with contextlib.suppress(TimeoutError):
                    # Spread, or a change would bring all beats together for ever.
                    spread = random.uniform(_EARLIEST, 1)  # noqa: S311
                    async with asyncio.timeout(self.beat_seconds * spread):
                        await news.wait()
        finally:
            self._followers.discard(news)
