"""Items kept as text and read when they are asked for.

A policy of 10,000 parts has most of them asked for rarely or never. As lines of one block
of bytes they cost their text and a number each, the garbage collector has nothing to walk,
and a block that is given up is given back to the system in one piece.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

KEPT = 512
"""How many items of a shelf are kept as they were read last."""

_Key = TypeVar("_Key")
_Item = TypeVar("_Item")


def line_at(content: bytes, place: int) -> bytes:
    """The line that begins at a place, without its end."""
    return content[place : content.index(b"\n", place)]


class Shelf(Mapping[_Key, _Item]):
    """Items by key, each a line of one block of bytes."""

    def __init__(self, content: bytes, read: Callable[[bytes], _Item]) -> None:
        """Begins empty.

        Args:
            content: The lines.
            read: Makes an item of its line.
        """
        self._places: dict[_Key, int] = {}
        # No method of this object, which would then hold itself and never be freed at once.
        self.at: Callable[[int], _Item] = functools.lru_cache(KEPT)(
            lambda place: read(line_at(content, place))
        )

    def put(self, key: _Key, place: int) -> None:
        """Adds the item whose line begins at a place."""
        self._places[key] = place

    def __getitem__(self, key: _Key) -> _Item:
        """The item of a key; raises ``KeyError``."""
        return self.at(self._places[key])

    def __contains__(self, key: object) -> bool:
        """Whether there is one of that key, without reading it."""
        return key in self._places

    def __iter__(self) -> Iterator[_Key]:
        """Every key, in the order of the lines."""
        return iter(self._places)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._places)
