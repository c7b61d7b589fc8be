"""What becomes of one definition, for whoever looks after it."""

from collections.abc import Iterable
from dataclasses import dataclass

from governd.policy.definitions import Definition, Kind
from governd.policy.effective import effective_tool
from governd.policy.quarantine import Case, QuarantineReason, findings
from governd.policy.registered import Key, Pin, PinOrigin, Registered, formerly_required
from governd.policy.tools import Server, Tool

_DIFFERS = QuarantineReason.DIFFERS_FROM_SOURCE


@dataclass(frozen=True, slots=True)
class Standing:
    """What becomes of one definition.

    Attributes:
        server: The name under which the policy source declares its server.
        kind: What it defines.
        name: Its name.
        declared: Whether the policy source declares it.
        registered: What the server offers, or offered when it was seen last; ``None``
            where it never did.
        pin: What it is held to, the policy source's word included.
        pinned: The canonical text of that; ``b""`` without any.
        reasons: Why it is quarantined, the gravest first.
        detail: The same in words.
        tool: As it counts, or would count if it were not quarantined; tools only.
        offered: Whether the server offers it now.
        formerly_required: Of what it requires, what only an approval that says so drops.
    """

    server: str
    kind: Kind
    name: str
    declared: bool
    registered: Registered | None
    pin: Pin | None
    pinned: bytes
    reasons: tuple[QuarantineReason, ...]
    detail: str
    tool: Tool | None
    offered: bool
    formerly_required: tuple[str, ...] = ()


def declared_standing(server: str, tool: Tool) -> Standing:
    """What becomes of a declared tool that no server registered."""
    pin, pinned = _held_to(tool, None, ())
    return Standing(
        server=server,
        kind=Kind.TOOL,
        name=tool.name,
        declared=True,
        registered=None,
        pin=pin,
        pinned=pinned,
        reasons=(),
        detail="",
        tool=tool,
        offered=False,
    )


def standing(server: Server, key: Key, case: Case, *, offered: bool) -> Standing:
    """What becomes of a definition that is or was registered.

    Args:
        server: Its server.
        key: Its kind and name.
        case: What it is judged by.
        offered: Whether the server offers it now.
    """
    (kind, name), (registered, pin, declared, _) = key, case
    now = registered.definition
    effective, pinned = _held_to(declared, pin, [now, pin.definition] if pin else [now])
    found = dict(findings(case))
    if declared and pinned == now.canonical and _DIFFERS in found:
        pinned = declared.stated.encode()  # its pin says nothing of what the source states
    former = formerly_required(registered, pin, declared)
    return Standing(
        server=server.name,
        kind=kind,
        name=name,
        declared=declared is not None,
        registered=registered,
        pin=effective,
        pinned=pinned,
        reasons=tuple(found),
        detail="; ".join(found.values()),
        tool=(
            effective_tool(server, declared, now, {*now.requires, *former})
            if kind is Kind.TOOL
            else None
        ),
        offered=offered,
        formerly_required=former,
    )


def _held_to(
    declared: Tool | None, pin: Pin | None, known: Iterable[Definition]
) -> tuple[Pin | None, bytes]:
    """What a definition is held to, and the text of that as far as it is known."""
    if declared is not None and declared.pin:
        texts = (one.canonical for one in known if one.digest == declared.pin)
        text = next(texts, b"")
        definition = Definition(Kind.TOOL, declared.name, text, declared.pin)
        return Pin(definition, PinOrigin.POLICY_SOURCE), text
    if pin is not None:
        return pin, pin.definition.canonical
    return None, declared.stated.encode() if declared else b""
