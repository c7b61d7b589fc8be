"""Items are kept as their lines and read when they are asked for."""

import pytest

from governd.policy.shelf import Shelf

CONTENT = b"first\nsecond\n"


class Read:
    """A shelf of two, and what was read of it."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.shelf: Shelf[str, int] = Shelf(CONTENT, self._read)
        self.shelf.put("a", 0)
        self.shelf.put("b", 6)

    def _read(self, line: bytes) -> int:
        self.lines.append(line)
        return len(line)


def test_an_item_is_read_when_it_is_asked_for_and_then_kept() -> None:
    read = Read()
    assert ("b" in read.shelf, "c" in read.shelf, len(read.shelf)) == (True, False, 2)
    assert list(read.shelf) == ["a", "b"]
    assert not read.lines
    assert (read.shelf["b"], read.shelf["b"], read.shelf.get("c")) == (6, 6, None)
    assert read.lines == [b"second"]


def test_what_is_not_there_is_missing() -> None:
    with pytest.raises(KeyError):
        Read().shelf["c"]
