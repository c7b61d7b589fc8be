"""``governd whoami``: who governd takes the caller for."""

from pathlib import Path

import click
from rich.console import RenderableType

from governd._proto.governd.v1 import identity_service_pb2
from governd.cli import connection, options, output


@click.command(short_help="Show who governd takes you for.")
@options.socket()
@options.timeout()
@options.as_json()
def whoami(socket: Path, timeout: float, *, as_json: bool) -> None:
    """Show who governd takes you for: whoever calls on this socket.

    Exit code:
      0 answered, 2 usage, 3 governd cannot be asked.

    JSON:
      spiffe_id, attestation, facts (an object), tenant ("" for none).

    Examples:
      governd whoami
      governd whoami --socket /run/governd/writer.sock --json
    """
    answer = connection.whoami(socket, timeout)
    attestation = attestation_name(answer.attestation)
    if as_json:
        output.show_json(
            {
                "spiffe_id": answer.spiffe_id,
                "attestation": attestation,
                "facts": dict(answer.facts),
                "tenant": answer.tenant,
            }
        )
        return
    rows: list[tuple[str, RenderableType]] = [
        ("spiffe id", output.text(answer.spiffe_id, output.STRONG)),
        ("attested", attestation),
        ("tenant", answer.tenant or "none"),
        *((name, value) for name, value in sorted(answer.facts.items())),
    ]
    output.show(output.facts(rows))


def attestation_name(value: identity_service_pb2.Attestation.ValueType) -> str:
    """``static`` and so on; a number that this version does not know as such."""
    try:
        name = identity_service_pb2.Attestation.Name(value)
    except ValueError:
        return str(value)
    return name.removeprefix("ATTESTATION_").lower()
