"""``governd identity show``: what is held for a workload."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import RenderableType

from governd._proto.governd.v1 import admin_service_pb2
from governd.cli import connection, identity_text, options, output, question


@click.command(short_help="Show what is held for a workload.")
@click.argument("workload")
@options.admin_socket()
@options.timeout()
@options.as_json()
def show(*, workload: str, admin_socket: Path, timeout: float, as_json: bool) -> None:
    """Show what is held for WORKLOAD, as 'governd identity list' names it; never a key.

    Of several identities the first is who it is, its "spiffe id".

    The selectors are what a registration entry must not go beyond to fit: it fits a
    workload that has all of the entry's.

    Exit code:
      0 shown, 2 usage, or no workload of that name is there, 3 governd cannot be asked.

    JSON:
      as each of 'governd identity list'.

    Examples:
      governd identity show writer
      governd identity show governd/signer/node-1 --json | jq -r '.svids[0].not_after'
    """
    answer = connection.identity(admin_socket, question.utf8(workload, "WORKLOAD"), timeout)
    if as_json:
        output.show_json(identity_text.to_json(answer))
    else:
        output.show(*words(answer, datetime.now(UTC)))


def words(one: admin_service_pb2.IdentityStatus, now: datetime) -> Iterator[RenderableType]:
    """What is held, part by part."""
    yield output.facts(identity_text.facts(one))
    if one.svids:
        yield output.gap()
        headers = ["identity", "hint", ">since", ">renewed", ">ends"]
        yield output.table(headers, [_row(svid, now) for svid in one.svids])


def _row(svid: admin_service_pb2.SvidStatus, now: datetime) -> list[RenderableType]:
    return [
        output.text(svid.spiffe_id, output.STRONG),
        svid.hint or "-",
        identity_text.left(svid.not_before, now),
        identity_text.left(svid.next_rotation, now),
        identity_text.left(svid.not_after, now),
    ]
