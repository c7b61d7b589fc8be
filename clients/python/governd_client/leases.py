"""Which answers may be given again without asking, and until when.

Pure: times are numbers that the caller brings, of one clock that never goes back and counts
a suspend. One ``Leases`` belongs to one caller of one governd, and follows one WatchEpoch
stream at a time.

A lease ends at the earliest of: its ``valid_for``, counted from when its question was sent;
an epoch other than its own, told by WatchEpoch or by any answer; silence of WatchEpoch; the
end of that stream; ``close``; another answer to its question.

Invariants:
    * Nothing is held but permits without obligations, of the epoch that WatchEpoch told last.
    * A stream that was silent counts as ended, whatever comes after: what was queued while
      this process slept says nothing about now.
    * Silence counts from when nothing was unread, not from when a message was read: what waited
      in a queue makes no lease longer.
    * What cannot be understood (a negative duration, NaN, no epoch) makes no lease.
"""

import math
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Final

from governd_client.decision import Decision
from governd_client.question import Key

MAX_LEASES: Final = 4096
MAX_BYTES: Final = 8 * 1024 * 1024
MAX_SECONDS: Final = 300.0
"""No lease is longer, whatever an answer says."""
MAX_SILENCE_SECONDS: Final = 1.2
"""WatchEpoch is never trusted for longer, whatever a message says."""
_OBJECT_BYTES: Final = 1024  # of a lease beside its text, about


@dataclass(frozen=True, slots=True)
class _Lease:
    decision: Decision
    until: float
    size: int


class Leases:
    """The leases of one caller, in an LRU that is bounded in number and in bytes."""

    def __init__(self, *, max_leases: int = MAX_LEASES, max_bytes: int = MAX_BYTES) -> None:
        """Holds nothing, and will not before ``watch`` and ``heard``."""
        self._max_leases = max_leases
        self._max_bytes = max_bytes
        self._leases: OrderedDict[Key, _Lease] = OrderedDict()
        self._bytes = 0
        self._epoch = ""
        self._silent_at: float | None = None  # None while no stream has told the epoch
        self._watched = False
        self._closed = False

    def __len__(self) -> int:
        """How many are held, those included whose end nobody has noticed yet."""
        return len(self._leases)

    @property
    def size(self) -> int:
        """Bytes that they take, about."""
        return self._bytes

    def watch(self) -> None:
        """A WatchEpoch stream begins, which has told nothing so far."""
        self.end()
        self._watched = not self._closed

    def heard(self, epoch: str, silence: float | None, since: float, now: float) -> bool:
        """WatchEpoch told the epoch.

        Args:
            epoch: That of the policy that decides now.
            silence: Seconds for which this holds; ``None`` where it does not say.
            since: When nothing was unread: this was told then or later.
            now: When this was heard.

        Returns:
            Whether the stream counts; if not, another one must be begun.
        """
        if not self._watched or self._was_silent(now):
            return False
        if epoch != self._epoch:
            self._drop()
            self._epoch = epoch
        self._silent_at = since + _silence(silence)
        return True

    def end(self) -> None:
        """The WatchEpoch stream ended or failed."""
        self._watched = False
        self._silent_at = None
        self._epoch = ""
        self._drop()

    def close(self) -> None:
        """Ends everything for good."""
        self.end()
        self._closed = True

    def keep(
        self, key: Key, decision: Decision, valid_for: float | None, sent: float, now: float
    ) -> bool:
        """Takes an answer in, if it may be given again.

        Args:
            key: The question.
            decision: The answer.
            valid_for: Seconds of its lease; ``None`` where it has none.
            sent: When the question was sent, or earlier.
            now: When the answer was there.

        Returns:
            Whether it is held.
        """
        self._remove(key)  # the newer answer counts, also where it cannot be leased
        if self._silent_at is None or self._was_silent(now):
            return False
        if decision.policy.epoch != self._epoch:
            self._drop()  # one of the two epochs is past: nothing of this one is sure
            return False
        if valid_for is None or not leasable(decision, valid_for):
            return False
        until = sent + min(valid_for, MAX_SECONDS)
        size = _size(key, decision)
        if not sent <= now < until or size > self._max_bytes:
            return False
        self._leases[key] = _Lease(replace(decision, leased=True), until, size)
        self._bytes += size
        while len(self._leases) > self._max_leases or self._bytes > self._max_bytes:
            self._remove(next(iter(self._leases)))
        return key in self._leases

    def use(self, key: Key, now: float) -> Decision | None:
        """The answer that holds for a question, ``None`` if it must be asked."""
        lease = self._leases.get(key)
        if lease is None or self._silent_at is None:
            return None
        if now >= self._silent_at:
            self.end()
            return None
        if now >= lease.until:
            self._remove(key)
            return None
        self._leases.move_to_end(key)
        return lease.decision

    def _was_silent(self, now: float) -> bool:
        if self._silent_at is None or now < self._silent_at:
            return False
        self.end()
        return True

    def _remove(self, key: Key) -> None:
        lease = self._leases.pop(key, None)
        if lease is not None:
            self._bytes -= lease.size

    def _drop(self) -> None:
        self._leases.clear()
        self._bytes = 0


def leasable(decision: Decision, valid_for: float | None) -> bool:
    """Whether an answer may be given again at all, ``valid_for`` seconds long."""
    if valid_for is None or not 0 < valid_for < math.inf:
        return False
    return decision.allowed and not decision.obligations and decision.policy.epoch != ""


def _silence(seconds: float | None) -> float:
    """Nothing is trusted where the message cannot be understood."""
    if seconds is None:
        return MAX_SILENCE_SECONDS
    return min(seconds, MAX_SILENCE_SECONDS) if seconds > 0 else 0.0


def _size(key: Key, decision: Decision) -> int:
    action, kind, name, subject, arguments, evidence = key
    texts = (action, kind, name, subject or "", *(evidence or ()), *decision.reasons)
    return _OBJECT_BYTES + sum(map(len, texts)) * 2 + len(arguments or b"")
