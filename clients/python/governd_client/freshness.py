"""Since when a reader of WatchEpoch had nothing left unread. Pure.

A message does not say when it was sent, and a process that lags reads old ones at the pace of
new ones. So a message is trusted from the last moment at which nothing was unread, which is
known for two:

    * When the stream was opened, nothing had been sent.
    * While ticks are on time, a message reaches a reader that waits in less than
      ``SETTLE_SECONDS``: what was there so long ago has been read.

Whatever the reader's delays, what it reads was true at that moment or later.
"""

from typing import Final

TICK_SECONDS: Final = 0.1
LATE_SECONDS: Final = 0.2
"""Between two ticks; after a longer pause this process is not on time."""
SETTLE_SECONDS: Final = 0.3
"""A message passes three threads or turns of an event loop, each as late as a tick may be.

Below the shortest time between two beats (0.35 s), or there would be no telling.
"""


class Freshness:
    """Of one stream at a time.

    Attributes:
        since: When nothing was unread.
    """

    __slots__ = ("_on_time", "_ticked", "_waits", "since")

    def __init__(self) -> None:
        """To begin with, nothing is known."""
        self.begin(0.0)

    def begin(self, now: float) -> None:
        """A stream is about to be opened."""
        self.since = self._ticked = self._on_time = self._waits = now

    def tick(self, now: float) -> None:
        """To be called every ``TICK_SECONDS``."""
        if now - self._ticked > LATE_SECONDS:
            self._on_time = now
        self._ticked = now
        self._settle(now)

    def read(self, now: float) -> float:
        """A message was read, and the reader waits for the next.

        Returns:
            ``since``: what the message tells was true then or later.
        """
        if now - self._ticked <= LATE_SECONDS:
            self._settle(now)
        self._waits = now
        return self.since

    def _settle(self, now: float) -> None:
        settled = now - SETTLE_SECONDS
        if settled >= max(self._on_time, self._waits):
            self.since = settled
