"""``governd revocation list``: what is revoked on this node."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import RenderableType

from governd._proto.governd.v1 import admin_service_pb2
from governd.cli import connection, options, output, revocation_text


@click.command("list", short_help="List what is revoked on this node.")
@options.admin_socket()
@options.timeout()
@options.as_json()
def list_(*, admin_socket: Path, timeout: float, as_json: bool) -> None:
    """List what is revoked on this node, the latest first.

    What the policy source revokes is not listed: see its manifest.

    Exit code:
      0 listed, 2 usage, 3 governd cannot be asked.

    JSON:
      revocations, each with kind (agent, user, transaction, token), name, since and until
      (RFC 3339), reason ("" for none).

    Examples:
      governd revocation list
      governd revocation list --json | jq -r '.revocations[].name'
    """
    found = connection.revocations(admin_socket, timeout).revocations
    if as_json:
        output.show_json({"revocations": [revocation_text.to_json(one) for one in found]})
    else:
        output.show(*words(found, datetime.now(UTC)))


def words(found: Sequence[admin_service_pb2.Revocation], now: datetime) -> Iterator[RenderableType]:
    """The table, or that there is none."""
    if not found:
        yield output.text("nothing is revoked on this node")
        return
    headers = ["what", "name", ">ends in", "because"]
    yield output.table(headers, [revocation_text.row(one, now) for one in found])
