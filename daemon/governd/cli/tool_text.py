"""Definitions and their state, in words and under stable keys."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.text import Text

from governd._proto.governd.v1 import admin_service_pb2, tool_service_pb2
from governd.cli import output
from governd.cli.tool_target import KINDS
from governd.cli.tool_visible import visible

_KIND_WORDS = {kind: word for word, kind in KINDS.items()}
_ORIGINS: Mapping[admin_service_pb2.PinOrigin.ValueType, tuple[str, str]] = {
    admin_service_pb2.PIN_ORIGIN_UNSPECIFIED: ("", "the policy source"),
    admin_service_pb2.PIN_ORIGIN_FIRST_REGISTRATION: (
        "first_registration",
        "its first registration",
    ),
    admin_service_pb2.PIN_ORIGIN_OPERATOR: ("operator", "an operator's approval"),
    admin_service_pb2.PIN_ORIGIN_POLICY_SOURCE: ("policy_source", "the policy source"),
}
"""Whose word a pin is, for programs and for people."""


class Ledger:
    """Lines behind signs, wrapped so that no part of a line stands without its sign.

    What an untrusted server wrote cannot pass for a line of governd's own.

    Attributes:
        lines: Signs and lines.
    """

    def __init__(self, lines: Iterable[tuple[Text, Text]]) -> None:
        """Takes signs and lines."""
        self.lines = tuple(lines)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Wraps for rich."""
        for sign, line in self.lines:
            room = max(1, options.max_width - cell_len(sign.plain))
            for part in line.wrap(console, room, overflow="fold"):
                yield Text.assemble(sign, part)


def kind_word(kind: tool_service_pb2.DefinitionKind.ValueType) -> str:
    """A kind as ``--kind`` takes it; a number that this version does not know as such."""
    return _KIND_WORDS.get(kind, str(kind))


def reason_name(reason: tool_service_pb2.QuarantineReason.ValueType) -> str:
    """``CHANGED`` and so on; a number that this version does not know as such."""
    try:
        name = tool_service_pb2.QuarantineReason.Name(reason)
    except ValueError:
        return str(reason)
    return name.removeprefix("QUARANTINE_REASON_")


def reasons(status: admin_service_pb2.ToolStatus) -> str:
    """Why something is quarantined, in a few words."""
    return ", ".join(reason_name(one).lower().replace("_", " ") for one in status.reasons)


def origin(status: admin_service_pb2.ToolStatus) -> str:
    """Whose word it is what a definition is held to."""
    return _origin(status)[1]


def name(status: admin_service_pb2.ToolStatus) -> str:
    """Server and name, on one line."""
    return visible(f"{status.server}/{status.name}")


def state(status: admin_service_pb2.ToolStatus) -> Text:
    """In force, quarantined and why, or not there."""
    if status.reasons:
        held = "quarantined: " if status.registered else "withdrawn, quarantined: "
        return Text.assemble((held, output.BAD), (reasons(status), output.WARN))
    if status.registered:
        return Text("in force", output.GOOD)
    return Text("not registered" if status.declared else "withdrawn", output.DIM)


def headline(status: admin_service_pb2.ToolStatus) -> Iterator[Text]:
    """Name, kind and state, the reasons in words, and what is required out of caution."""
    named = output.text(name(status), output.STRONG)
    yield Text.assemble(named, f"  {kind_word(status.kind)}  ", state(status))
    if status.detail:
        yield output.text(f"  {visible(status.detail)}")
    if status.formerly_required:
        names = visible(", ".join(status.formerly_required))
        drops = visible(" ".join(f"--drop {one}" for one in status.formerly_required))
        said = f"  still required because it was before: {names}; {drops} ends that"
        yield output.text(said, output.WARN)


def age(value: Timestamp, now: datetime) -> str:
    """How long ago, as people say it."""
    passed = (now - value.ToDatetime(tzinfo=UTC)).total_seconds()
    return output.duration(max(0.0, passed))


def is_tool(status: admin_service_pb2.ToolStatus) -> bool:
    """Whether it has what only tools have."""
    return status.kind == tool_service_pb2.DEFINITION_KIND_TOOL


def facts(status: admin_service_pb2.ToolStatus) -> Iterator[tuple[str, RenderableType]]:
    """Who declares it, what a call needs and what it may do."""
    yield "declared", "by the policy source" if status.declared else "by nobody but the server"
    if not is_tool(status):
        return
    yield "requires", visible(", ".join(status.requires)) or "nothing that a grant could give"
    yield "destroys", output.text("yes", output.WARN) if status.destructive else "no"
    yield "open world", "yes" if status.open_world else "no"
    if status.untyped_arguments:
        names = visible(", ".join(status.untyped_arguments))
        yield "untyped", output.text(f"{names} (no policy sees them)", output.WARN)


def to_json(status: admin_service_pb2.ToolStatus) -> dict[str, object]:
    """The state under stable keys, which the help of ``tool list`` names."""
    seen = status.HasField("registered_at")
    return {
        "server": status.server,
        "kind": kind_word(status.kind),
        "name": status.name,
        "declared": status.declared,
        "registered": status.registered,
        "quarantined": bool(status.reasons),
        "reasons": [reason_name(one) for one in status.reasons],
        "detail": status.detail,
        "digest": status.digest,
        "pinned_digest": status.pinned_digest,
        "pin_origin": _origin(status)[0],
        "registered_at": status.registered_at.ToJsonString() if seen else None,
        "requires": list(status.requires),
        "destructive": status.destructive if is_tool(status) else None,
        "open_world": status.open_world if is_tool(status) else None,
        "untyped_arguments": list(status.untyped_arguments),
        "formerly_required": list(status.formerly_required),
    }


def _origin(status: admin_service_pb2.ToolStatus) -> tuple[str, str]:
    """A number, where this version does not know the origin."""
    return _ORIGINS.get(status.pin_origin, (str(status.pin_origin), str(status.pin_origin)))
