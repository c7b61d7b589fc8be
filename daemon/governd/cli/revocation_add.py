"""``governd revocation add``: revoke something on this node."""

import re
from pathlib import Path

import click

from governd._proto.governd.v1 import admin_service_pb2
from governd.cli import connection, options, output, revocation_text

_LIFETIME = re.compile(r"([0-9]{1,9})([smhd])", re.ASCII)
_CHILDREN = "what was extended from it stays valid: to end that, revoke the transaction"
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class Lifetime(click.ParamType[int]):
    """A number and a unit, in seconds."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """The seconds."""
        if isinstance(value, int):
            return value
        found = _LIFETIME.fullmatch(str(value))
        if found is None:
            self.fail("expected a number and s, m, h or d, for example 90m", param, ctx)
        return int(found[1]) * _UNITS[found[2]]


@click.command(short_help="Revoke an agent, a user, a chain or a token.")
@click.argument("kind", type=click.Choice(list(revocation_text.KINDS)))
@click.argument("name")
@click.option("--for", "seconds", type=Lifetime(), help="How long, 24h by default, at most 90d.")
@click.option("--reason", default="", help="Why, for people.")
@options.admin_socket()
@options.timeout()
@options.as_json()
def add(
    *,
    kind: str,
    name: str,
    seconds: int | None,
    reason: str,
    admin_socket: Path,
    timeout: float,
    as_json: bool,
) -> None:
    """Revoke something on this node, at once.

    NAME is of an agent (or MCP server, or gateway) its SPIFFE ID, of a user
    "<issuer>#<subject>", of a transaction the "txn" of acting-as tokens, of a token its
    "jti". Revoking the same again says anew until when.

    A token is one token: those that were extended from it stay valid. To end them, too,
    revoke their transaction.

    If it cannot be put on record or on disk, that is told, and it counts all the same until
    governd restarts.

    Exit code:
      0 revoked, 2 usage, 3 governd cannot be asked, or cannot keep it.

    JSON:
      kind, name, since and until (RFC 3339), reason.

    Examples:
      governd revocation add agent spiffe://example.org/ns/shop/sa/web --reason "key stolen"
      governd revocation add user "https://idp.example#7f3c" --for 7d
      governd revocation add transaction 4f1c --for 10m
    """
    request = admin_service_pb2.RevokeRequest(reason=reason)
    setattr(request.revoked, revocation_text.KINDS[kind], name)
    if seconds is not None:
        request.lifetime.FromSeconds(seconds)
    answer = connection.revoke(admin_socket, request, timeout)
    if as_json:
        output.show_json(revocation_text.to_json(answer.revocation))
        return
    line = output.text("revoked", output.GOOD)
    until = answer.revocation.until.ToJsonString()
    output.show(line.append_text(output.text(f"  {kind} {name} until {until}")))
    if kind == "token":
        output.show(output.text(_CHILDREN))
