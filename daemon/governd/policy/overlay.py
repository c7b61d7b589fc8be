"""A mapping with some items in front of another's, which is not copied."""

from collections.abc import Iterator, Mapping
from typing import TypeVar

_Key = TypeVar("_Key")
_Item = TypeVar("_Item")


class Overlay(Mapping[_Key, _Item]):
    """Items of two mappings; where both have a key, the first one's."""

    def __init__(self, front: Mapping[_Key, _Item], behind: Mapping[_Key, _Item]) -> None:
        """Takes both; neither may change."""
        self._front = front
        self._behind = behind

    def __getitem__(self, key: _Key) -> _Item:
        """The item of a key; raises ``KeyError``."""
        return self._front[key] if key in self._front else self._behind[key]

    def __iter__(self) -> Iterator[_Key]:
        """Every key, once."""
        yield from self._front
        yield from (key for key in self._behind if key not in self._front)

    def __len__(self) -> int:
        """How many there are."""
        return sum(1 for _ in self)
