"""Tokens that were taken, and how tightly each was tied to the request with which it came.

A receiver takes a token once, and may ask about it again and again while it serves that
request: may this be done for that user? What the token was tied to shows when it is taken and
never again, so it is kept.
"""

import heapq
from datetime import datetime
from typing import NamedTuple

from governd.delegation.acting_as import SKEW_SECONDS
from governd.delegation.binding import BindingLevel
from governd.delegation.replay import MAX_REMEMBERED
from governd.delegation.shares import Shares
from governd.delegation.verification import Verified
from governd.identity import SpiffeId


class _Taken(NamedTuple):
    """A token that was taken; ``ends``, in seconds since 1970, comes first, for the heap."""

    ends: int
    digest: str
    audience: SpiffeId


class TakenTokens:
    """Keeps them by digest, until nobody takes them any more.

    What there is no room for counts as not taken. There is as much as for used tokens
    (``replay``), parted alike, and what is taken was used before: it does not come to that.
    """

    def __init__(self, most: int = MAX_REMEMBERED) -> None:
        """Keeps at most so many."""
        self._shares = Shares(most)
        self._taken: dict[str, BindingLevel] = {}
        self._ends: list[_Taken] = []

    def keep(self, verified: Verified, now: datetime) -> None:
        """Keeps a token that was taken just now; each is taken once (``replay``)."""
        self._forget(now.timestamp())
        token = verified.token
        if not self._shares.take(token.audience):
            return
        self._taken[verified.digest] = verified.binding
        taken = _Taken(token.expires_at + SKEW_SECONDS, verified.digest, token.audience)
        heapq.heappush(self._ends, taken)

    def binding(self, digest: str) -> BindingLevel | None:
        """How tightly a token was tied; ``None`` where it was not taken. Its end is not asked."""
        return self._taken.get(digest)

    def _forget(self, now: float) -> None:
        while self._ends and self._ends[0].ends < now:
            gone = heapq.heappop(self._ends)
            self._taken.pop(gone.digest, None)  # kept twice where a clock went back
            self._shares.give_back(gone.audience)
