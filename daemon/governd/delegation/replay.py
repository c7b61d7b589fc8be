"""Tokens that have been used: each is good for one request.

Per process. Two receivers with one SPIFFE ID do not know of each other's requests: what is
tied to a body is replayed there as what it is, the same request, within minutes.
"""

import enum
import heapq
from datetime import datetime
from typing import Protocol

from governd.identity import SpiffeId

MAX_REMEMBERED = 65_536
"""Used tokens that have not expired: 200 a second at the longest lifetime."""


class Admission(enum.Enum):
    """Whether a token may be used."""

    FIRST = "first"
    REPLAYED = "replayed"
    UNKNOWN = "unknown"
    """There is no room to remember it, so nobody could tell the next time."""


class Replay(Protocol):
    """Knows which tokens have been used."""

    def admit(self, issuer: SpiffeId, token_id: str, until: datetime, now: datetime) -> Admission:
        """Says whether this is a token's first use, and remembers it as used.

        Args:
            issuer: Who signed it.
            token_id: Its ``jti``, unique for that issuer.
            until: When nobody takes it any more, in UTC.
            now: The time, in UTC.
        """


class UsedTokens:
    """Remembers used tokens to their end; implements ``Replay``.

    It never forgets one early: full, it refuses, for a cache that makes room lets whoever
    fills it replay what he likes.
    """

    def __init__(self, most: int = MAX_REMEMBERED) -> None:
        """Remembers at most so many."""
        self._most = most
        self._used: set[tuple[SpiffeId, str]] = set()
        self._ends: list[tuple[datetime, tuple[SpiffeId, str]]] = []

    def admit(self, issuer: SpiffeId, token_id: str, until: datetime, now: datetime) -> Admission:
        """Says whether this is a token's first use, and remembers it as used."""
        self._forget(now)
        key = (issuer, token_id)
        if key in self._used:
            return Admission.REPLAYED
        if len(self._used) >= self._most:
            return Admission.UNKNOWN
        self._used.add(key)
        heapq.heappush(self._ends, (until, key))
        return Admission.FIRST

    def _forget(self, now: datetime) -> None:
        while self._ends and self._ends[0][0] < now:
            self._used.remove(heapq.heappop(self._ends)[1])
