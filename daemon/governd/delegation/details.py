"""Authorization details: what a token permits, where scopes are too coarse.

Follows RFC 9396, sections 2 and 2.2. There is one type, ``mcp_tool``; what is of another is
refused, for nobody here could say whether it is narrower. Every member must be there: one
that is left out would mean anything to one reader and nothing to another.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import rfc8785

from governd.delegation import texts
from governd.delegation.texts import refuse
from governd.identity import jose

MAX_DETAILS = 16
MAX_VALUES = 64
"""Of one member."""
MAX_VALUE_BYTES = 512
MAX_JSON_BYTES = 8192
TYPE = "mcp_tool"
_MEMBERS = ("actions", "locations", "tools")


@dataclass(frozen=True, slots=True, order=True)
class ToolDetail:
    """Tools of MCP servers that may be used; sorted, each value once.

    Attributes:
        actions: What may be done, e.g. ``call``.
        locations: Of which servers: URIs or SPIFFE IDs.
        tools: With which tools.
    """

    actions: tuple[str, ...]
    locations: tuple[str, ...]
    tools: tuple[str, ...]

    def covers(self, other: "ToolDetail") -> bool:
        """Whether whatever ``other`` permits is permitted by this one, member by member."""
        return all(set(getattr(other, member)) <= set(getattr(self, member)) for member in _MEMBERS)

    def members(self) -> dict[str, Any]:
        """As RFC 9396 has it."""
        return {"type": TYPE, **{member: list(getattr(self, member)) for member in _MEMBERS}}

    @property
    def canonical(self) -> str:
        """Canonical JSON (RFC 8785)."""
        return rfc8785.dumps(self.members()).decode()


def covered(details: Iterable[ToolDetail], by: Sequence[ToolDetail]) -> bool:
    """Whether each of ``details`` is covered by one of ``by``.

    Two that cover it together are not enough: what each permits stands for itself.
    """
    return all(any(whole.covers(detail) for whole in by) for detail in details)


def read_details(value: object, *, field: str) -> tuple[ToolDetail, ...]:
    """The details of a claim or of a request.

    Raises:
        RequestError: They are no such list; ``field`` is the path to the place.
    """
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_DETAILS:
        refuse(field, f"expected a list of 1 to {MAX_DETAILS} details")
    return tuple(sorted(_detail(one, f"{field}[{place}]") for place, one in enumerate(value)))


def parse_details(text: bytes, *, field: str) -> tuple[ToolDetail, ...]:
    """The details of a request; ``b""`` for none.

    Args:
        text: A JSON list.
        field: Named in the error.

    Raises:
        RequestError: It is no such list.
    """
    if not text:
        return ()
    if len(text) > MAX_JSON_BYTES:
        refuse(field, f"has more than {MAX_JSON_BYTES} bytes")
    try:
        # As the member of an object, for which there is a strict reader.
        members = jose.read_object(b'{"details":' + text + b"}")
    except ValueError:
        refuse(field, "does not parse")
    if members.keys() != {"details"}:
        refuse(field, "does not parse")
    return read_details(members["details"], field=field)


def written(details: Sequence[ToolDetail]) -> str:
    """Details as JSON."""
    return json.dumps([detail.members() for detail in details], separators=(",", ":"))


def _detail(value: object, field: str) -> ToolDetail:
    if not isinstance(value, dict) or value.get("type") != TYPE:
        refuse(field, f"expected an object of type {TYPE}")
    if value.keys() != {"type", *_MEMBERS}:
        refuse(field, f"expected exactly type, {', '.join(_MEMBERS)}")
    return ToolDetail(*(_values(value[member], f"{field}.{member}") for member in _MEMBERS))


def _values(value: object, field: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_VALUES:
        refuse(field, f"expected a list of 1 to {MAX_VALUES} texts")
    found = [texts.text(one, field, limit=MAX_VALUE_BYTES) for one in value]
    if len(set(found)) != len(found):
        refuse(field, "has a text twice")
    return tuple(sorted(found))
