"""Tokens that have been used: each is good for one request.

Per process. Two receivers with one SPIFFE ID do not know of each other's requests: what is
tied to a body is replayed there as what it is, the same request, within minutes.
"""

import enum
import heapq
from datetime import datetime
from typing import NamedTuple, Protocol

from governd.delegation.acting_as import ActingAs
from governd.delegation.shares import Shares
from governd.identity import SpiffeId

MAX_REMEMBERED = 131_072
"""Used tokens that have not expired.

Half of them may be one receiver's: 180 a second at the longest lifetime, 300 s and the skew,
and 360 a second at the default.
"""


class Admission(enum.Enum):
    """Whether a token may be used."""

    FIRST = "first"
    REPLAYED = "replayed"
    UNKNOWN = "unknown"
    """There is no room to remember it, so nobody could tell the next time."""


class Replay(Protocol):
    """Knows which tokens have been used."""

    def admit(self, token: ActingAs, until: datetime, now: datetime) -> Admission:
        """Says whether this is a token's first use, and remembers it as used.

        Args:
            token: Known by its ``iss`` and ``jti``; its audience needs the room.
            until: When nobody takes it any more, in UTC.
            now: The time, in UTC.
        """


class _Used(NamedTuple):
    """A token that was used; ``until`` comes first, for the heap."""

    until: datetime
    issuer: SpiffeId
    token_id: str
    audience: SpiffeId


class UsedTokens:
    """Remembers used tokens to their end; implements ``Replay``.

    It never forgets one early: without room it refuses, for a cache that makes room lets
    whoever fills it replay what he likes. No receiver fills it for the others (``Shares``).
    """

    def __init__(self, most: int = MAX_REMEMBERED) -> None:
        """Remembers at most so many."""
        self._shares = Shares(most)
        self._used: set[tuple[SpiffeId, str]] = set()
        self._ends: list[_Used] = []

    def admit(self, token: ActingAs, until: datetime, now: datetime) -> Admission:
        """Says whether this is a token's first use, and remembers it as used."""
        self._forget(now)
        if (token.issuer, token.token_id) in self._used:
            return Admission.REPLAYED
        if not self._shares.take(token.audience):
            return Admission.UNKNOWN
        self._used.add((token.issuer, token.token_id))
        used = _Used(until, token.issuer, token.token_id, token.audience)
        heapq.heappush(self._ends, used)
        return Admission.FIRST

    def _forget(self, now: datetime) -> None:
        while self._ends and self._ends[0].until < now:
            gone = heapq.heappop(self._ends)
            self._used.remove((gone.issuer, gone.token_id))
            self._shares.give_back(gone.audience)
