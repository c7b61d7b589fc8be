"""What one caller may use at a time, and how fast.

Pure: the time comes in as ``now``, in seconds of any monotonic clock; nothing here knows
gRPC. One ``Admission`` belongs to one caller, however many listeners it has, so that a
noisy caller uses up its own share and nobody else's.

Rules:
    * The rate is a token bucket: it starts full with ``burst`` tokens and gains
      ``calls_per_second``. Every call that is admitted costs one, a batch one a question.
    * A charge larger than the bucket passes only when the bucket is full, and leaves a
      debt: a burst set smaller than a batch slows batches down but never starves them.
    * Streams and other calls are counted apart: open streams must not keep a caller from
      asking.

Invariants:
    * A refused call changes nothing.
    * What is in flight never exceeds its limit and never falls below zero.
    * Tokens never exceed ``burst``; a clock that steps back adds none.
"""

from collections.abc import Iterator
from typing import Protocol
from weakref import WeakValueDictionary

from governd.errors import ConcurrencyLimitedError, RateLimitedError, StreamsLimitedError

# How soon a place may be free again is anyone's guess; these keep a loop from spinning.
_CALL_RETRY_SECONDS = 0.1
_STREAM_RETRY_SECONDS = 1.0


class CallerLimits(Protocol):
    """The numbers from the configuration that hold for each caller."""

    @property
    def calls_in_flight(self) -> int:
        """Calls other than streams at a time."""

    @property
    def streams(self) -> int:
        """Streams at a time."""

    @property
    def calls_per_second(self) -> float:
        """Sustained rate."""

    @property
    def burst(self) -> int:
        """Calls at once after a pause."""


class TokenBucket:
    """A rate with a burst.

    Attributes:
        rate: Tokens gained a second.
        burst: The most tokens there can be.
    """

    __slots__ = ("_at", "_tokens", "burst", "rate")

    def __init__(self, rate: float, burst: int, now: float) -> None:
        """Starts full."""
        self.rate = rate
        self.burst = float(burst)
        self._tokens = float(burst)
        self._at = now

    def take(self, count: int, now: float) -> float:
        """Takes ``count`` tokens, or none.

        Returns:
            0 where they were taken; otherwise after how many seconds they could be.
        """
        if now > self._at:
            self._tokens = min(self.burst, self._tokens + (now - self._at) * self.rate)
            self._at = now
        missing = min(count, self.burst) - self._tokens
        if missing > 0:
            return missing / self.rate
        self._tokens -= count
        return 0.0


class Admission:
    """One caller's use of its limits.

    Attributes:
        calls: Calls in flight, streams not among them.
        streams: Streams open.
    """

    __slots__ = ("__weakref__", "_bucket", "_limits", "calls", "streams")

    def __init__(self, limits: CallerLimits, now: float) -> None:
        """Starts with nothing in flight and a full bucket."""
        self._limits = limits
        self._bucket = TokenBucket(limits.calls_per_second, limits.burst, now)
        self.calls = 0
        self.streams = 0

    def begin(self, *, stream: bool, now: float) -> None:
        """Admits a call, which must be followed by one ``end``.

        Raises:
            StreamsLimitedError: Too many streams are open.
            ConcurrencyLimitedError: Too many calls are in flight.
            RateLimitedError: The rate is used up.
        """
        if stream:
            self._check_streams()
            self.charge(1, now)
            self.streams += 1
        else:
            self._check_calls()
            self.charge(1, now)
            self.calls += 1

    def end(self, *, stream: bool) -> None:
        """Gives a call's place back."""
        if stream:
            self.streams -= 1
        else:
            self.calls -= 1

    def charge(self, count: int, now: float) -> None:
        """Takes ``count`` from the rate.

        Raises:
            RateLimitedError: The rate is used up; nothing was taken.
        """
        wait = self._bucket.take(count, now)
        if wait > 0:
            limit = f"{self._limits.calls_per_second:g}"
            message = f"more than {limit} calls a second"
            raise RateLimitedError(message, retry_after=wait, metadata={"limit_per_second": limit})

    def _check_streams(self) -> None:
        limit = self._limits.streams
        if self.streams >= limit:
            message = f"more than {limit} streams open"
            raise StreamsLimitedError(
                message, retry_after=_STREAM_RETRY_SECONDS, metadata={"limit": str(limit)}
            )

    def _check_calls(self) -> None:
        limit = self._limits.calls_in_flight
        if self.calls >= limit:
            message = f"more than {limit} calls in flight"
            raise ConcurrencyLimitedError(
                message, retry_after=_CALL_RETRY_SECONDS, metadata={"limit": str(limit)}
            )


class Admissions:
    """Every caller's ``Admission``, one each while any listener holds it."""

    def __init__(self, limits: CallerLimits) -> None:
        """Holds none yet; the limits are the same for all."""
        self._limits = limits
        self._held: WeakValueDictionary[str, Admission] = WeakValueDictionary()

    def of(self, caller: str, now: float) -> Admission:
        """The admission of ``caller``, a SPIFFE ID or ``operator``. Keep the reference."""
        admission = self._held.get(caller)
        if admission is None:
            admission = Admission(self._limits, now)
            self._held[caller] = admission
        return admission

    def __iter__(self) -> Iterator[tuple[str, Admission]]:
        """Callers and their use, for ListCallers."""
        return iter(sorted(self._held.items()))

    def in_flight(self) -> int:
        """Calls and streams of all callers. Safe to call from another thread."""
        return sum(held.calls + held.streams for held in self._held.copy().values())
