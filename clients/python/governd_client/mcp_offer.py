"""What an MCP server offers, as definitions for governd, and what of it has to be left out.

Pure. One entry that governd would refuse must not take all others down with it, nor must one
more than it takes: such entries are left out of the registration, and from then on are neither
shown nor carried out, since nothing holds them to a definition.
"""

import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NoReturn, TypeAlias, TypeVar

from governd_client.definitions import Definition, Kind
from governd_client.errors import (
    DefinitionInvalidError,
    InvalidRequestError,
    RegistrationTooLargeError,
)
from governd_client.mcp_lists import MAX_NAME_BYTES, Entry
from governd_client.mcp_tools import REQUIRES

MAX_DEFINITION_BYTES: Final = 64 * 1024
"""What governd takes unless configured otherwise."""
_FRAME_BYTES: Final = 16  # at most, of a definition in a message
_FIRST_BYTES: Final = 1024  # at most, of a registration beside its definitions
_ORDER: Final = (Kind.TOOL, Kind.PROMPT, Kind.RESOURCE_TEMPLATE, Kind.RESOURCE)
"""What is registered first; where not all fits, the last is left out."""
_PLACE: Final = re.compile(r"definitions\[([0-9]{1,9})\]", re.ASCII)
_NUMBER: Final = re.compile(r"[0-9]{1,12}", re.ASCII)

Requires: TypeAlias = Mapping[str, Collection[str]]
"""What tools require, by their names."""
Key: TypeAlias = tuple[Kind, str]
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much a registration may hold.

    Attributes:
        definitions: How many.
        size: Bytes of all of them.
    """

    definitions: float = math.inf
    size: float = math.inf

    def told(self, error: RegistrationTooLargeError) -> "Bounds":
        """The same, and what governd says that it takes."""
        return Bounds(
            min(self.definitions, _number(error.metadata.get("limit_definitions"))),
            min(self.size, _number(error.metadata.get("limit_bytes")) - _FIRST_BYTES),
        )


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Why all that is listed under a name is left out.

    Attributes:
        definitions: What is listed under it, ``None`` for what is no definition at all.
        reason: In words.
    """

    definitions: frozenset[Definition | None]
    reason: str


@dataclass(frozen=True)
class Offer:
    """What is registered of what a server lists.

    Attributes:
        named: Definitions by what they define, several where it is listed several times.
        left_out: What governd would refuse, likewise.
        full: Kinds of which more is listed than fits.
    """

    named: Mapping[Key, list[Definition]] = field(default_factory=dict)
    left_out: Mapping[Key, LeftOut] = field(default_factory=dict)
    full: frozenset[Kind] = frozenset()

    @classmethod
    def of(cls, entries: Iterable[Entry], requires: Requires) -> "Offer":
        """Reads entries of lists."""
        found: dict[Key, list[Definition | None]] = {}
        reasons: dict[Key, str] = {}
        for each in entries:
            several = found.setdefault((each.kind, each.name), [])
            try:
                several.append(definition_of(each, requires))
            except DefinitionInvalidError as error:
                several.append(None)
                reasons.setdefault((each.kind, each.name), str(error))
        good = {
            key: [each for each in several if each is not None]
            for key, several in found.items()
            if key not in reasons
        }
        bad = {key: LeftOut(frozenset(found[key]), reason) for key, reason in reasons.items()}
        return cls(good, bad)

    @property
    def definitions(self) -> list[Definition]:
        """All that are registered: tools first, of a kind in the order of the list."""
        ordered = sorted(self.named, key=_rank)
        return [each for key in ordered for each in self.named[key]]

    @property
    def tools(self) -> set[str]:
        """The names of tools."""
        return {name for kind, name in (*self.named, *self.left_out) if kind is Kind.TOOL}

    def has(self, kind: Kind, name: str, definition: Definition | None) -> bool:
        """Whether this very definition is registered."""
        return definition in self.named.get((kind, name), ())

    def knows(self, kind: Kind, name: str, definition: Definition | None) -> bool:
        """Whether registering anew would make no difference to this definition."""
        key = (kind, name)
        if key in self.left_out:
            return definition in self.left_out[key].definitions
        return self.has(kind, name, definition) or (kind in self.full and key not in self.named)

    def refuses(self, kind: Kind, name: str) -> bool:
        """Whether something is left out, so that it must not be carried out either.

        What a template that is left out could be expanded to is refused, too.
        """
        if (kind, name) in self.named:
            return False
        if (kind, name) in self.left_out:
            return True
        if kind is not Kind.RESOURCE:
            return kind in self.full
        return _expands(name, self.left_out) or (
            bool(self.full & {Kind.RESOURCE, Kind.RESOURCE_TEMPLATE})
            and not _expands(name, self.named)
        )

    def updated(self, newer: "Offer") -> "Offer":
        """This one, with what another says in the place of what this one says of the same."""
        left_out = {key: each for key, each in self.left_out.items() if key not in newer.named}
        named = {key: each for key, each in self.named.items() if key not in newer.left_out}
        return Offer(
            {**named, **newer.named}, {**left_out, **newer.left_out}, self.full | newer.full
        )

    def without(self, refused: Mapping[Definition, str]) -> "Offer":
        """This one, but for what governd refused, by its reasons."""
        bad = {
            key: LeftOut(frozenset(several), reason)
            for key, several in self.named.items()
            if (reason := next((refused[each] for each in several if each in refused), None))
        }
        good = {key: several for key, several in self.named.items() if key not in bad}
        return Offer(good, {**self.left_out, **bad}, self.full)

    def within(self, bounds: Bounds) -> "Offer":
        """As much of this one as fits, tools first."""
        named, full = _fitting(self.named, bounds.definitions, len)
        named, heavy = _fitting(named, bounds.size, _size)
        # What is left out is remembered within the same bound.
        left_out, rest = _fitting(self.left_out, bounds.definitions, _count)
        return Offer(named, left_out, self.full | full | heavy | rest)


def definition_of(entry: Entry, requires: Requires) -> Definition:
    """An entry of a list as a definition for governd: those of its members that count.

    Raises:
        DefinitionInvalidError: governd would refuse it, or its ``_meta`` does not say what it
            requires in a way that can be understood.
    """
    if not entry.digest:
        _refuse("has no canonical form (RFC 8785)")
    if len(entry.name.encode()) > MAX_NAME_BYTES:
        _refuse(f"has a name of more than {MAX_NAME_BYTES} bytes")
    needed: set[str] = set()
    if entry.kind is Kind.TOOL:
        needed = {*_stated(entry), *requires.get(entry.name, ())}
    definition = Definition(entry.kind, entry.canonical, tuple(sorted(needed)))
    try:
        size = definition.to_proto().ByteSize()
    except InvalidRequestError:
        _refuse("requires what is no text in UTF-8")
    if max(len(entry.canonical), size - len(entry.canonical)) > MAX_DEFINITION_BYTES:
        _refuse(f"has more than {MAX_DEFINITION_BYTES} bytes")
    return definition


def place_of(error: DefinitionInvalidError) -> int | None:
    """Which definition of a registration governd refuses, ``None`` where it does not say."""
    found = _PLACE.match(error.field)
    return int(found[1]) if found else None


def _stated(entry: Entry) -> Iterable[str]:
    meta = entry.item.get("_meta")
    stated = meta.get(REQUIRES, []) if isinstance(meta, Mapping) else []
    if not isinstance(stated, list | tuple) or not all(isinstance(each, str) for each in stated):
        # What cannot be understood must not count as nothing.
        _refuse(f"has a _meta without a list of text as {REQUIRES}")
    return stated


def _refuse(problem: str) -> NoReturn:
    raise DefinitionInvalidError(problem, field="definitions")


def _number(text: str | None) -> float:
    return int(text) if text is not None and _NUMBER.fullmatch(text) else math.inf


def _size(several: Sequence[Definition]) -> int:
    return sum(each.to_proto().ByteSize() + _FRAME_BYTES for each in several)


def _count(left_out: LeftOut) -> int:
    return len(left_out.definitions)


def _fitting(
    items: Mapping[Key, V], most: float, cost: Callable[[V], int]
) -> tuple[dict[Key, V], frozenset[Kind]]:
    """What fits, and the kinds of what does not."""
    if most == math.inf:
        return dict(items), frozenset()
    kept: dict[Key, V] = {}
    full: set[Kind] = set()
    for key in sorted(items, key=_rank):
        most -= (needed := cost(items[key]))
        if most >= 0:
            kept[key] = items[key]
        else:
            most += needed
            full.add(key[0])
    return kept, frozenset(full)


def _rank(key: Key) -> int:
    return _ORDER.index(key[0])


def _expands(uri: str, keys: Iterable[Key]) -> bool:
    """Whether a template among them begins as a resource does."""
    templates = (name for kind, name in keys if kind is Kind.RESOURCE_TEMPLATE)
    return any(uri.startswith(each.partition("{")[0]) for each in templates)
