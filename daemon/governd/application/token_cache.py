"""Tokens that are held in memory, for whoever asks for the same again.

Bounded in number; when it is full, the caller with the most tokens loses the one that it used
longest ago, so that nobody drives out what others hold. None is given out past its end; who holds
this has to have it swept, so that none stays past it. Whether one may be handed out again is
policy's to say each time: nothing here decides.

No cache of a library: none of those shares its room out, nor can it be looked through without
being used.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import NamedTuple

from governd.identity import SpiffeId
from governd.tokens.held import Held, TokenKey

_STEP = 1024
"""Tokens that are looked at in one step of a sweep."""


class HeldToken(NamedTuple):
    """A token that is held, and how often it was handed out.

    Attributes:
        key: Whose it is, and what for.
        held: The token.
        uses: How often it was handed out.
    """

    key: TokenKey
    held: Held
    uses: int


class _Place:
    """Where one is kept; counting must not cost what keeping does."""

    __slots__ = ("held", "uses")

    def __init__(self, held: Held) -> None:
        self.held = held
        self.uses = 0


class TokenCache:
    """Tokens by whose they are and what for; of each caller first those used longest ago."""

    def __init__(self, entries: int) -> None:
        """Holds nothing yet, and never more than ``entries``."""
        self._entries = entries
        self._count = 0
        self._of: dict[SpiffeId, OrderedDict[TokenKey, _Place]] = {}

    def __len__(self) -> int:
        """How many are held."""
        return self._count

    def take(self, key: TokenKey, now: float) -> Held | None:
        """The token that is held, if it counts still; takes note that it is handed out.

        Args:
            key: By which it is held.
            now: Seconds since 1970.
        """
        places = self._of.get(key.caller, _NONE)
        place = places.get(key)
        if place is None:
            return None
        if not place.held.counts(now):
            self.drop(key)
            return None
        places.move_to_end(key)
        place.uses += 1
        return place.held

    def keep(self, key: TokenKey, held: Held) -> None:
        """Holds a token, in the place of the one before it."""
        self.drop(key)
        self._of.setdefault(key.caller, OrderedDict())[key] = _Place(held)
        self._count += 1
        if self._count > self._entries:
            most = max(self._of.values(), key=len)
            self.drop(next(iter(most)))

    def drop(self, key: TokenKey) -> None:
        """Holds it no more."""
        places = self._of.get(key.caller, _NONE)
        if places.pop(key, None) is not None:
            self._count -= 1
        if not places:
            self._of.pop(key.caller, None)

    def sweep(self, is_kept: Callable[[TokenKey, Held], bool]) -> Iterator[None]:
        """Drops what is not to be kept, in steps that are over within a few milliseconds."""
        for number, (key, place) in enumerate(self._all(), 1):
            if not is_kept(key, place.held) and self._of.get(key.caller, _NONE).get(key) is place:
                self.drop(key)
            if number % _STEP == 0:
                yield

    def clear(self) -> None:
        """Holds nothing any more."""
        self._of.clear()
        self._count = 0

    def __iter__(self) -> Iterator[HeldToken]:
        """All of them, by upstream and then by caller."""
        found = sorted(self._all(), key=lambda item: _order(item[0]))
        return (HeldToken(key, place.held, place.uses) for key, place in found)

    def _all(self) -> list[tuple[TokenKey, _Place]]:
        return [item for places in self._of.values() for item in places.items()]


_NONE: OrderedDict[TokenKey, _Place] = OrderedDict()
"""What a caller holds that holds nothing; stays empty."""


def _order(key: TokenKey) -> tuple[str, str, tuple[str, ...], str]:
    return key.upstream, str(key.caller), key.scopes, key.evidence
