"""Tokens that were taken, and how tightly each was tied to the request with which it came.

A receiver takes a token once, and may ask about it again and again while it serves that
request: may this be done for that user? What the token was tied to shows when it is taken and
never again, so it is kept.
"""

from collections import deque
from datetime import datetime
from typing import NamedTuple

from governd.delegation.acting_as import SKEW_SECONDS
from governd.delegation.binding import BindingLevel
from governd.delegation.verification import Verified

MAX_KEPT = 65_536
"""As many as are remembered as used (``replay``)."""


class _Taken(NamedTuple):
    """A token that was taken, and when nobody takes it any more, in seconds since 1970."""

    binding: BindingLevel
    ends: int


class TakenTokens:
    """Keeps them by digest, to their end.

    Full, it forgets the oldest: what is forgotten counts as not taken.
    """

    def __init__(self, most: int = MAX_KEPT) -> None:
        """Keeps at most so many."""
        self._most = most
        self._taken: dict[str, _Taken] = {}
        self._order: deque[str] = deque()

    def keep(self, verified: Verified, now: datetime) -> None:
        """Keeps a token that was taken just now; each is taken once (``replay``)."""
        while self._order and (len(self._order) >= self._most or self._has_ended(now)):
            del self._taken[self._order.popleft()]
        ends = verified.token.expires_at + SKEW_SECONDS
        self._taken[verified.digest] = _Taken(verified.binding, ends)
        self._order.append(verified.digest)

    def binding(self, digest: str) -> BindingLevel | None:
        """How tightly a token was tied; ``None`` where it was not taken. Its end is not asked."""
        found = self._taken.get(digest)
        return found.binding if found else None

    def _has_ended(self, now: datetime) -> bool:
        # Lifetimes differ by minutes, so some stay that long after their end.
        return self._taken[self._order[0]].ends < now.timestamp()
