"""``governd whoami``: who governd takes the caller for."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import click
from rich.console import RenderableType

from governd._proto.governd.v1 import identity_service_pb2
from governd.cli import connection, options, output

Value = TypeVar("Value")


@click.command(short_help="Show who governd takes you for.")
@options.socket()
@options.timeout()
@options.as_json()
def whoami(socket: Path, timeout: float, *, as_json: bool) -> None:
    """Show who governd takes you for: whoever calls on this socket.

    Exit code:
      0 answered, 2 usage, 3 governd cannot be asked.

    JSON:
      spiffe_id ("" while you have none), attestation (unspecified then), facts (an
      object), tenant ("" for none), phase (waiting, ready), reason ("" for none),
      not_after (RFC 3339; null: no SVID is held for you).

    Examples:
      governd whoami
      governd whoami --socket /run/governd/writer.sock --json
    """
    answer = connection.whoami(socket, timeout)
    if as_json:
        output.show_json(to_json(answer))
    else:
        output.show(output.facts(rows(answer)))


def to_json(answer: identity_service_pb2.WhoAmIResponse) -> dict[str, object]:
    """The caller under stable keys."""
    return {
        "spiffe_id": answer.spiffe_id,
        "attestation": attestation_name(answer.attestation),
        "facts": dict(answer.facts),
        "tenant": answer.tenant,
        "phase": phase_name(answer.phase),
        "reason": answer.reason,
        "not_after": answer.not_after.ToJsonString() if answer.HasField("not_after") else None,
    }


def rows(
    answer: identity_service_pb2.WhoAmIResponse,
) -> Iterator[tuple[str, RenderableType]]:
    """The caller, one fact after the other."""
    known = bool(answer.spiffe_id)
    yield "spiffe id", output.text(answer.spiffe_id or "none yet", output.STRONG)
    yield "attested", attestation_name(answer.attestation) if known else "-"
    yield "tenant", answer.tenant or "none"
    ready = answer.phase == identity_service_pb2.PHASE_READY
    yield "phase", output.text(phase_name(answer.phase), "" if ready else output.BAD)
    if answer.reason:
        yield "because", output.text(answer.reason, output.WARN)
    if answer.HasField("not_after"):
        yield "ends", answer.not_after.ToJsonString()
    yield from sorted(answer.facts.items())


def attestation_name(value: identity_service_pb2.Attestation.ValueType) -> str:
    """``static`` and so on; a number that this version does not know as such."""
    return _name(identity_service_pb2.Attestation.Name, value, "ATTESTATION_")


def phase_name(value: identity_service_pb2.Phase.ValueType) -> str:
    """``waiting`` or ``ready``; a number that this version does not know as such."""
    return _name(identity_service_pb2.Phase.Name, value, "PHASE_")


def _name(name_of: Callable[[Value], str], value: Value, prefix: str) -> str:
    try:
        return name_of(value).removeprefix(prefix).lower()
    except ValueError:
        return str(value)
