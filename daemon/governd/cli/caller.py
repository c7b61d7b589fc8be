"""``governd caller``: who calls."""

from pathlib import Path

import click
from rich.console import RenderableType

from governd._proto.governd.v1 import admin_service_pb2
from governd.cli import connection, evaluation, options, output
from governd.cli.root import LazyGroup
from governd.cli.whoami import attestation_name

VERBS = {"list": ("caller:list_", "List every caller that has a listener.")}
"""As in ``root``."""


@click.group(cls=LazyGroup, verbs=VERBS, short_help="See who calls.")
def caller() -> None:
    """See who calls."""


@click.command("list", short_help="List every caller that has a listener.")
@options.admin_socket()
@options.timeout()
@options.as_json()
def list_(admin_socket: Path, timeout: float, *, as_json: bool) -> None:
    """List every caller that has a listener, with its use of its limits.

    Exit code:
      0 answered, 2 usage, 3 governd cannot be asked.

    JSON:
      callers, each with spiffe_id, attestation, listener (its socket), tenant ("" for
      none), calls_in_flight, calls, refused, idle_seconds (null: has not called).

    Examples:
      governd caller list
      governd caller list --json | jq -r '.callers[] | select(.refused > 0).spiffe_id'
    """
    answer = connection.callers(admin_socket, timeout)
    if as_json:
        output.show_json({"callers": [to_json(one) for one in answer.callers]})
    elif not answer.callers:
        output.show(output.text("no workload listener is open"))
    else:
        headers = [
            "caller and socket",
            "attested",
            "tenant",
            ">calls",
            ">open",
            ">refused",
            ">idle",
        ]
        output.show(output.table(headers, [_row(one) for one in answer.callers]))


def to_json(one: admin_service_pb2.CallerStatus) -> dict[str, object]:
    """One caller under stable keys."""
    return {
        "spiffe_id": one.spiffe_id,
        "attestation": attestation_name(one.attestation),
        "listener": one.listener,
        "tenant": one.tenant,
        "calls_in_flight": one.calls_in_flight,
        "calls": one.calls,
        "refused": one.refused,
        "idle_seconds": evaluation.seconds(one.idle) if one.HasField("idle") else None,
    }


def _row(one: admin_service_pb2.CallerStatus) -> list[RenderableType]:
    idle = output.duration(evaluation.seconds(one.idle)) if one.HasField("idle") else "never called"
    socket = output.text(one.listener, output.DIM)
    refused = output.text(one.refused, output.WARN if one.refused else "")
    return [
        output.text(one.spiffe_id, output.STRONG).append("\n").append_text(socket),
        attestation_name(one.attestation),
        one.tenant or "-",
        str(one.calls),
        str(one.calls_in_flight),
        refused,
        idle,
    ]
