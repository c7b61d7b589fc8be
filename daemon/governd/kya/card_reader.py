"""Reads an agent card, strictly, from the bytes that came.

Follows A2A v1.0, sections 4.4 and 8.4.1 (https://a2a-protocol.org/latest/specification/).
What is decided on is what was signed: one parse gives both the values of a card and the
payload of its signatures (``card_defaults``).

Promises:
    * No member comes twice, no number differs between readers (``strict_json``).
    * A card that says to readers of either version where its agent is reached is reached at
      all of these: an ``Interface`` that only one of them sees is none too few.
    * The digest is of the canonical form (RFC 8785) of everything but the signatures: two
      cards of one digest say the same, members that nobody knows included.
    * Whatever the bytes, nothing but a ``CardError`` is raised.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import rfc8785

from governd.errors import CardError, DefinitionError
from governd.kya.card import AgentCard, CardLimits, CardSignature, Dialect, Interface
from governd.kya.card_defaults import check_spellings, refuse, typed, without_defaults
from governd.strict_json import read_object

FIELD = "card_json"
"""Where a card stands in a request."""
MAX_NAME_BYTES = 256
"""Of a name, an id, a version: what attestations repeat."""
MAX_URL_BYTES = 2048

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_OLD_VERSION = re.compile(r"0\.3(\.\d{1,4})?", re.ASCII)
_SIGNATURES = "signatures"


def read_card(text: bytes, *, limits: CardLimits) -> AgentCard:
    """Reads a card.

    Args:
        text: One JSON object in UTF-8.
        limits: Bounds on it.

    Raises:
        CardError: It breaks a rule; ``field`` is the path to the place.
    """
    try:
        members = read_object(
            text, max_bytes=limits.max_bytes, max_depth=limits.max_depth, path=FIELD
        )
    except DefinitionError as error:
        raise CardError(str(error), field=error.field) from None
    signatures = _signatures(members.pop(_SIGNATURES, []), limits.max_signatures)
    check_spellings(members, FIELD)
    if "supportedInterfaces" in members:
        members = without_defaults(members, FIELD)
        found = _Reader(members, limits, Dialect.V1_0)
    else:
        found = _Reader(members, limits, Dialect.V0_3)
    return found.card(text, signatures)


class _Reader:
    """Takes what is needed out of a card's members."""

    def __init__(self, members: Mapping[str, Any], limits: CardLimits, dialect: Dialect) -> None:
        self._members, self._limits, self._dialect = members, limits, dialect

    def card(self, text: bytes, signatures: tuple[CardSignature, ...]) -> AgentCard:
        old = self._dialect is Dialect.V0_3
        payload = rfc8785.dumps(dict(self._members))
        return AgentCard(
            dialect=self._dialect,
            name=_label(self._members, "name", FIELD),
            version=_label(self._members, "version", FIELD),
            provider=self._provider(),
            interfaces=self._old_interfaces() if old else self._interfaces(),
            skills=self._skills(),
            signatures=signatures,
            payload=payload,
            digest="sha-256:" + hashlib.sha256(payload).hexdigest(),
            raw=text,
        )

    def _provider(self) -> str:
        if "provider" not in self._members:
            return ""
        path = f"{FIELD}.provider"
        return _label(typed(self._members["provider"], dict, path), "organization", path)

    def _interfaces(self) -> tuple[Interface, ...]:
        path = f"{FIELD}.supportedInterfaces"
        listed = self._members["supportedInterfaces"]
        _check_count(listed, self._limits.max_interfaces, path)
        found = [
            Interface(
                _url(one, f"{path}[{index}]"),
                _label(one, "protocolBinding", f"{path}[{index}]"),
                one.get("tenant", ""),
            )
            for index, one in enumerate(listed)
        ]
        return (*found, *(one for one in self._beside() if one not in found))

    def _beside(self) -> tuple[Interface, ...]:
        """What a v1.0 card says to readers of v0.3, whatever version it says to them."""
        first = (self._preferred(),) if "url" in self._members else ()
        return first + self._additional()

    def _old_interfaces(self) -> tuple[Interface, ...]:
        """Of a v0.3 card: the preferred one at the top, the others listed."""
        version = self._members.get("protocolVersion")
        if not isinstance(version, str) or not _OLD_VERSION.fullmatch(version):
            refuse(f"{FIELD}.supportedInterfaces", "required, but in a card of A2A 0.3")
        preferred = self._preferred()
        return (preferred, *self._additional())

    def _preferred(self) -> Interface:
        transport = self._members.get("preferredTransport", "JSONRPC")
        transport = typed(transport, str, f"{FIELD}.preferredTransport")
        return Interface(_url(self._members, FIELD), transport)

    def _additional(self) -> tuple[Interface, ...]:
        path = f"{FIELD}.additionalInterfaces"
        listed = typed(self._members.get("additionalInterfaces", []), list, path)
        _check_count(listed, self._limits.max_interfaces, path)
        others = []
        for index, one in enumerate(listed):
            place = f"{path}[{index}]"
            members = typed(one, dict, place)
            others.append(Interface(_url(members, place), _label(members, "transport", place)))
        return tuple(others)

    def _skills(self) -> tuple[str, ...]:
        path = f"{FIELD}.skills"
        listed = typed(self._members.get("skills"), list, path)
        _check_count(listed, self._limits.max_skills, path)
        ids = [
            _label(typed(one, dict, f"{path}[{index}]"), "id", f"{path}[{index}]")
            for index, one in enumerate(listed)
        ]
        if len(set(ids)) != len(ids):
            refuse(path, "has two skills of one id")
        return tuple(sorted(ids))


def _signatures(value: object, limit: int) -> tuple[CardSignature, ...]:
    path = f"{FIELD}.{_SIGNATURES}"
    listed = typed(value, list, path)
    _check_count(listed, limit, path)
    found = []
    for index, one in enumerate(listed):
        place = f"{path}[{index}]"
        members = typed(one, dict, place)
        parts = (typed(members.get(name), str, f"{place}.{name}") for name in CardSignature._fields)
        found.append(CardSignature(*parts))
    return tuple(found)


def _url(members: Mapping[str, Any], path: str) -> str:
    return _label(members, "url", path, MAX_URL_BYTES)


def _label(members: Mapping[str, Any], name: str, path: str, limit: int = MAX_NAME_BYTES) -> str:
    """A short text that is there."""
    path = f"{path}.{name}"
    text = typed(members.get(name, ""), str, path)
    if not text:
        refuse(path, "required")
    if len(text.encode()) > limit:
        refuse(path, f"has more than {limit} bytes")
    if _CONTROL.search(text):
        refuse(path, "must not have control characters")
    return text


def _check_count(listed: Sequence[object], limit: int, path: str) -> None:
    if len(listed) > limit:
        refuse(path, f"has {len(listed)} entries, the limit is {limit}")
