"""What was found out recently, bounded by what it takes to keep it.

A cache for the way of every call: an LRU cache keeps an order that each look-up changes
and each insertion pays for, which costs more than much of what is kept here. This one has
two generations; a full one takes the older one's place, and that is forgotten.
"""

from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """Values by key, the latest of them."""

    __slots__ = ("_chars", "_half", "_old", "_young")

    def __init__(self, max_chars: int) -> None:
        """Keeps nothing yet, and never more than ``max_chars`` in all."""
        self._half = max_chars // 2
        self._chars = 0
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def __len__(self) -> int:
        """How many values are kept, those that were kept again counted twice at most."""
        return len(self._young) + len(self._old)

    def get(self, key: K) -> V | None:
        """The value that was kept, if it is still there."""
        found = self._young.get(key)
        return self._old.get(key) if found is None else found

    def keep(self, key: K, value: V, chars: int) -> None:
        """Keeps a value, unless it takes more than half of the room.

        Args:
            key: Of the value.
            value: Not ``None``.
            chars: What keeping both takes.
        """
        if chars > self._half:
            return
        self._chars += chars
        if self._chars > self._half:
            self._young, self._old = {}, self._young
            self._chars = chars
        self._young[key] = value

    def clear(self) -> None:
        """Forgets everything."""
        self._young, self._old, self._chars = {}, {}, 0
