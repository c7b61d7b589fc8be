"""When a client follows WatchEpoch, and what it makes of it.

Does no IO; shares its session's lock.
"""

import threading
from collections.abc import Callable
from typing import Final

from google.protobuf.duration_pb2 import Duration

from governd_client._proto.governd.v1 import policy_service_pb2
from governd_client.backoff import Backoff
from governd_client.errors import GoverndError
from governd_client.freshness import Freshness
from governd_client.leases import Leases

IDLE_SECONDS: Final = 60.0
"""WatchEpoch is not followed for longer than this without a use of a lease."""


class Watch:
    """WatchEpoch, as one client follows it.

    Attributes:
        wanted: Whether there is something to follow it for.
        used_at: When a lease was used last.
        following: Whether somebody follows it.

    The attributes are only for whoever holds the lock.
    """

    def __init__(self, lock: threading.Lock, clock: Callable[[], float], leases: Leases) -> None:
        """Begins with nobody who follows."""
        self.wanted = self.following = False
        self.used_at = 0.0
        self._lock = lock
        self._clock = clock
        self._leases = leases
        self._backoff = Backoff()
        self._freshness = Freshness()

    def begin(self) -> bool:
        """Whether to follow it now, until ``heard`` says no.

        Whoever does calls ``tick`` all the while, or leases end early.
        """
        with self._lock:
            now = self._clock()
            if not self.wanted or self.following or not self._backoff.ready(now):
                return False
            self.wanted, self.following = False, True
            self.used_at = now
            self._freshness.begin(now)
            self._leases.watch()
            return True

    def heard(self, message: policy_service_pb2.WatchEpochResponse) -> bool:
        """It said something; returns whether to go on."""
        with self._lock:
            now = self._clock()
            self._backoff.worked()
            silence = seconds(message.silence, message.HasField("silence"))
            since = self._freshness.read(now)
            counts = self._leases.heard(message.policy.epoch, silence, since, now)
            return counts and now - self.used_at < IDLE_SECONDS

    def tick(self) -> None:
        """To be called every ``freshness.TICK_SECONDS``, by what lags as the reader does."""
        with self._lock:
            self._freshness.tick(self._clock())

    def end(self, error: GoverndError | None) -> None:
        """It is not followed any more; all leases end."""
        with self._lock:
            self.following = False
            self._leases.end()
            if error is not None:
                self._backoff.failed(error, self._clock())


def seconds(duration: Duration, given: bool) -> float | None:  # noqa: FBT001 - HasField
    """The seconds of an optional field, ``None`` where it is not there."""
    return duration.seconds + duration.nanos / 1e9 if given else None
