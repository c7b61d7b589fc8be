"""What differs between two definitions, member by member and word by word.

Pure: values in, values out. Its cost is bounded, because a definition can be written so that
comparing it takes hours: beyond ``MOST_LINES`` a member is not compared but shown twice.
"""

import enum
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from governd.cli.tool_lines import of_member

CONTEXT = 3
"""Lines around a change."""

MOST_LINES = 1000
"""Of a member, where it is compared line by line."""

_WORD = re.compile(r"\\(?:x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}|.)|\w+|\s+|.")

Span = tuple[int, int]


class Change(enum.Enum):
    """What became of a member."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    SAME = "same"
    NEW = "not stated"  # by the policy source, which says nothing of it


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a comparison.

    Attributes:
        sign: ``-`` before, ``+`` now, a space for both, ``~`` where lines are left out.
        text: Fit for the terminal.
        marked: Where it differs from its counterpart; ``None`` for nowhere or everywhere.
    """

    sign: str
    text: str
    marked: Span | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """One member of two definitions.

    Attributes:
        name: e.g. ``description``.
        change: What became of it.
        lines: The comparison; none where it is the same.
    """

    name: str
    change: Change
    lines: tuple[Line, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether it is not what it is held to."""
        return self.change in {Change.ADDED, Change.REMOVED, Change.CHANGED}


def compare(
    held: Mapping[str, object], registered: Mapping[str, object], *, partial: bool = False
) -> list[Member]:
    """Every member of either, by name.

    Args:
        held: What the definition is held to.
        registered: What is registered.
        partial: Whether ``held`` leaves open what it does not state.
    """
    return [
        _member(name, held, registered, partial=partial)
        for name in sorted(held.keys() | registered.keys())
    ]


def whole(definition: Mapping[str, object], sign: str = " ") -> list[Line]:
    """A definition that is compared with nothing."""
    return [Line(sign, line) for name in sorted(definition) for line in _lines(definition, name)]


def _member(
    name: str, held: Mapping[str, object], registered: Mapping[str, object], *, partial: bool
) -> Member:
    old, new = _lines(held, name), _lines(registered, name)
    if old == new:
        return Member(name, Change.SAME)
    if name not in held:
        change = Change.NEW if partial else Change.ADDED
        return Member(name, change, tuple(Line(" " if partial else "+", one) for one in new))
    change = Change.CHANGED if name in registered else Change.REMOVED
    return Member(name, change, tuple(_compared(old, new)))


def _lines(definition: Mapping[str, object], name: str) -> list[str]:
    return of_member(name, definition[name]) if name in definition else []


def _compared(old: Sequence[str], new: Sequence[str]) -> Iterator[Line]:
    if max(len(old), len(new)) > MOST_LINES:
        yield from _replaced(old, new)
        return
    for number, group in enumerate(SequenceMatcher(None, old, new).get_grouped_opcodes(CONTEXT)):
        if number:
            yield Line("~", "")
        for operation, i, j, k, n in group:
            if operation == "equal":
                yield from (Line(" ", line) for line in old[i:j])
            else:
                yield from _replaced(old[i:j], new[k:n])


def _replaced(old: Sequence[str], new: Sequence[str]) -> Iterator[Line]:
    """Lines before and lines now, each with what is other than in its counterpart marked."""
    marks = [_marked(before, now) for before, now in zip(old, new, strict=False)]
    for number, line in enumerate(old):
        yield Line("-", line, marks[number][0] if number < len(marks) else None)
    for number, line in enumerate(new):
        yield Line("+", line, marks[number][1] if number < len(marks) else None)


def _marked(before: str, now: str) -> tuple[Span | None, Span | None]:
    """What lies between the words that two lines begin and end with; linear in their length."""
    old, new = _WORD.findall(before), _WORD.findall(now)
    first = _alike(old, new)
    last = _alike(old[first:][::-1], new[first:][::-1])
    common = old[:first] + old[len(old) - last :]
    if not any(map(str.isalnum, "".join(common))):
        return None, None
    return _span(old, first, last), _span(new, first, last)


def _alike(old: Sequence[str], new: Sequence[str]) -> int:
    """How many words both begin with."""
    pairs = zip(old, new, strict=False)
    return next(
        (n for n, (one, other) in enumerate(pairs) if one != other), min(len(old), len(new))
    )


def _span(words: Sequence[str], first: int, last: int) -> Span | None:
    """Where the words between the first and the last ones are; ``None`` for nowhere."""
    start = len("".join(words[:first]))
    end = start + len("".join(words[first : len(words) - last]))
    return (start, end) if start < end else None
