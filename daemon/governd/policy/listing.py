"""Lists of MCP servers, as questions about each entry, and what is kept of them.

Every agent is shown the same few lists of a server, page by page. What the entries are in
Cedar's terms depends on nobody who looks at them, and is kept apart from what each may see.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import cachetools

from governd.identity import SpiffeId
from governd.policy.definitions import Kind
from governd.policy.delegated import PLAIN, Circumstances
from governd.policy.entities import Entity, Placed, Uid
from governd.policy.slices import Met

MAX_CACHED_CHARS = 8 << 20
"""Of the names and records in all pages, and again of those in all answers."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A list that is to be shown to somebody.

    Attributes:
        subject: Who is to see it.
        server: The MCP server whose it is, as the policy source calls it.
        kind: What is listed.
        names: Of the entries, in their order; of resources their URIs, of templates
            their URI templates.
        circumstances: What is known of the subject, and for whom it is to see it.
        bootstrap: Whether a user may delegate yet: then what could be permitted by that is
            shown, too.
    """

    subject: SpiffeId
    server: str
    kind: Kind
    names: tuple[str, ...]
    circumstances: Circumstances = PLAIN
    bootstrap: bool = False

    @property
    def page(self) -> "PageKey":
        """What of it has nothing to do with who is to see it."""
        return self.server, self.kind, self.names


@dataclass(frozen=True, slots=True)
class Visibility:
    """What is shown of a list while the policy's age is in ``(above, upto]``.

    Attributes:
        shown: Indices of the entries, ascending.
        above: The greatest limit that the age has passed, in seconds.
        upto: The least limit that it has not.
    """

    shown: tuple[int, ...]
    above: float = -math.inf
    upto: float = math.inf


class Entry(NamedTuple):
    """Something that can be called, read or used, and what candidates are found by.

    Attributes:
        action: Cedar's action.
        resource: What is called, read or used.
        met: What action and resource meet.
        attributes: Of the resource, in Cedar's JSON form.
        unlisted: The resource's record, where no file lists it.
        several: It stands for any of several, of which the attributes are not known.
    """

    action: Placed
    resource: Placed
    met: tuple[Met, Met]
    attributes: Mapping[str, Any]
    unlisted: Mapping[Uid, Entity]
    several: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """The entries of a list in Cedar's terms.

    Attributes:
        entries: What nothing declares is missing.
        shows: By entry, the indices of what is shown where it could be permitted.
        open: Indices of what is shown because there is too much to look at.
        chars: What keeping it costs, in characters.
    """

    entries: tuple[Entry, ...]
    shows: tuple[tuple[int, ...], ...]
    open: tuple[int, ...]
    chars: int


class Answer(NamedTuple):
    """Who may see what of a list.

    Attributes:
        upto: By index, the greatest age of the policy at which it is shown, in seconds.
        chars: What keeping it costs, in characters.
    """

    upto: tuple[float, ...]
    chars: int

    def at(self, age_seconds: float) -> Visibility:
        """What is shown at an age."""
        return Visibility(
            tuple(index for index, limit in enumerate(self.upto) if age_seconds <= limit),
            above=max((one for one in self.upto if one < age_seconds), default=-math.inf),
            upto=min((one for one in self.upto if one >= age_seconds), default=math.inf),
        )


PageKey: TypeAlias = tuple[str, Kind, tuple[str, ...]]


def _empty() -> "cachetools.LRUCache[Any, Any]":
    return cachetools.LRUCache(MAX_CACHED_CHARS, getsizeof=lambda kept: kept.chars)


@dataclass(frozen=True, slots=True, eq=False)
class Listings:
    """Lists that were shown before; bounded by what keeping them costs."""

    pages: "cachetools.LRUCache[PageKey, Page]" = field(default_factory=_empty)
    answers: "cachetools.LRUCache[Listing, Answer]" = field(default_factory=_empty)
