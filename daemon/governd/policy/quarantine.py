"""Why a definition is hidden and denied for now, and what would have to be looked at.

Reasons are found out anew whenever anything changes, and never kept: what is quarantined is
a matter of what is registered, what it is held to, and what the policy source says, all as
they are now.

Invariants:
    * An approval is of one digest. It ends every reason but two: nobody knows which of two
      definitions by one name would be used, and a pin in the policy source is final. It is
      given in sight of what the policy source states; once that is another, what differs
      from it has to be approved again.
    * A name counts against another only where the policy source does not declare the tool.
"""

import enum
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

from governd.policy.definitions import SCHEMAS, Definition, Kind
from governd.policy.lookalikes import NO_CONFLICT, Claim, Conflict
from governd.policy.registered import Pin, PinOrigin, Registered, source_digest
from governd.policy.tools import Tool

_STATED = ("description", *SCHEMAS)
_NAME = re.compile(r"[A-Za-z0-9_./-]{1,128}")
_NAMED_KINDS = frozenset({Kind.TOOL, Kind.PROMPT})
_SHOWN_CHARS = 64
_SCAN = json.JSONDecoder().raw_decode


class QuarantineReason(enum.Enum):
    """Why a definition is quarantined; ``tool_service.proto`` documents each."""

    CHANGED = 1
    DIFFERS_FROM_SOURCE = 2
    DUPLICATE = 3
    NAME_TAKEN = 4
    LOOKALIKE = 5
    ODD_NAME = 6
    UNSAFE_SCHEMA = 7
    NOT_APPROVED = 8


class Case(NamedTuple):
    """A definition, and all that it is judged by.

    Attributes:
        registered: What the server offers, or offered last.
        pin: What the node holds it to.
        declared: What the policy source says of it.
        conflict: Who had its name, or one like it, before.
    """

    registered: Registered
    pin: Pin | None
    declared: Tool | None = None
    conflict: Conflict = NO_CONFLICT


Finding = tuple[QuarantineReason, str]
"""A reason, and the same in words."""


def findings(case: Case) -> Iterator[Finding]:
    """Why a definition is quarantined, the gravest first; nothing where it is in force."""
    registered, pin, declared, _ = case
    digest = registered.definition.digest
    if registered.duplicate:
        yield QuarantineReason.DUPLICATE, "more than one of that name is registered"
    final = declared.pin if declared else ""
    if final and final != digest:
        words = "is not the definition that the policy source pins"
        yield QuarantineReason.DIFFERS_FROM_SOURCE, words
    approved = pin if pin and pin.origin is PinOrigin.OPERATOR and _is(pin, digest) else None
    if digest == final or (approved and approved.stated == source_digest(declared)):
        return
    if not final:
        yield from _differences(registered.definition, pin, declared.stated if declared else "")
    if not approved:
        yield from _doubts(case, final)


def _doubts(case: Case, final: str) -> Iterator[Finding]:
    """What there is to look at in a definition that nobody has approved."""
    registered, pin, declared, _ = case
    yield from _names(registered.definition, case.conflict)
    if registered.definition.unsafe:
        words = f"reaches out of its schema: {', '.join(registered.definition.unsafe)}"
        yield QuarantineReason.UNSAFE_SCHEMA, words
    known = pin or final or registered.duplicate
    if not known and not _covers(declared, registered.definition):
        yield QuarantineReason.NOT_APPROVED, "is new, and waits for approval"


def is_sound(pin: Pin | None) -> bool:
    """Whether what is pinned would be in force, were it not for the names of others."""
    return pin is not None and not any(findings(Case(Registered(pin.definition, since=0), pin)))


def _is(pin: Pin, digest: str) -> bool:
    return pin.definition.digest == digest


def _differences(now: Definition, pin: Pin | None, stated: str) -> Iterator[Finding]:
    if pin and not _is(pin, now.digest):
        changed = _differing(now.members(), pin.definition.members())
        last = "approved last" if pin.origin is PinOrigin.OPERATOR else "first registered"
        yield QuarantineReason.CHANGED, _differ(changed, last)
    if stated and not _agrees(now, stated.encode()):
        parts, members = _parts(stated), now.members()
        differing = _differing({name: members.get(name, b"") for name in parts}, parts)
        words = _differ(differing, "in the policy source")
        yield QuarantineReason.DIFFERS_FROM_SOURCE, words


def _agrees(now: Definition, stated: bytes) -> bool:
    """Whether what is stated is what some of the members say."""
    members = now.members()
    texts = [members[name] for name in _STATED if name in members]
    some = (few for count in range(len(texts), 0, -1) for few in combinations(texts, count))
    return any(stated == b"{" + b",".join(few) + b"}" for few in some)


def _parts(canonical: str) -> dict[str, bytes]:
    """The text of each member of a canonical object, with its name."""
    found: dict[str, bytes] = {}
    start = 1
    while start < len(canonical):
        name, end = _SCAN(canonical, start)
        _, end = _SCAN(canonical, end + 1)
        found[name] = canonical[start:end].encode()
        start = end + 1
    return found


def _differing(one: Mapping[str, bytes], other: Mapping[str, bytes]) -> list[str]:
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def _differ(members: Sequence[str], which: str) -> str:
    """E.g. ``description and inputSchema differ from the ones first registered``."""
    *most, last = members or ["it"]
    if not most:
        return f"{last} differs from the one {which}"
    return f"{', '.join(most)} and {last} differ from the ones {which}"


def _names(now: Definition, conflict: Conflict) -> Iterator[Finding]:
    if conflict.taken:
        yield QuarantineReason.NAME_TAKEN, f"has the name of {_shown(conflict.taken)}"
    if conflict.resembled:
        yield QuarantineReason.LOOKALIKE, f"resembles {_shown(conflict.resembled)}"
    if now.kind in _NAMED_KINDS and not _NAME.fullmatch(now.name):
        words = "has a name that is not 1 to 128 of A-Z a-z 0-9 _ - . /"
        yield QuarantineReason.ODD_NAME, words


def _shown(claim: Claim) -> str:
    """A tool's id such that no letter is mistaken for another."""
    return f"{claim.server}/{ascii(claim.name[:_SHOWN_CHARS])[1:-1]}"


def is_stated(now: Definition, declared: Tool | None) -> bool:
    """Whether a definition is, in full, what the policy source states."""
    if declared is None or declared.pin:
        return declared is not None and declared.pin == now.digest
    return _covers(declared, now) and _agrees(now, declared.stated.encode())


def _covers(declared: Tool | None, now: Definition) -> bool:
    """Whether the policy source states each member that a definition has.

    Annotations have to be the same: whether the others are is another question.
    """
    if declared is None or not declared.stated:
        return False
    members, parts = now.members(), _parts(declared.stated).keys()
    if "annotations" in members:
        annotations = f'"annotations":{declared.annotations or "{}"}'.encode()
        if members["annotations"] != annotations:
            return False
    return parts >= {"description", "inputSchema"} and parts >= members.keys() & {*_STATED}
