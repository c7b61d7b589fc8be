"""``governd token cache``: the tokens that governd holds, without the tokens."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import RenderableType
from rich.text import Text

from governd._proto.governd.v1 import admin_service_pb2
from governd.cli import options, output, question, token_calls
from governd.cli.identity_text import left
from governd.cli.tool_visible import visible

Response = admin_service_pb2.ListTokensResponse


@click.command(short_help="List the tokens that are held in memory.")
@click.option("--upstream", default="", metavar="NAME", help="Only those for this upstream.")
@options.admin_socket()
@options.timeout()
@options.as_json()
def cache(*, upstream: str, admin_socket: Path, timeout: float, as_json: bool) -> None:
    """List the access tokens that governd holds in memory, and never a token itself.

    Each is handed out to one caller, for one upstream, in one user's name or nobody's, and
    each time by policy's permit. The digest is the one in the decision log.

    Exit code:
      0 listed, 2 usage, 3 governd cannot be asked.

    JSON:
      total (held in all), tokens (at most 1,000), each with upstream, caller, user
      ("<issuer>#<subject>"; "" for the agent's own), scopes, digest, issued_at and
      expires_at (RFC 3339), uses.

    Examples:
      governd token cache
      governd token cache --upstream crm --json | jq -r '.tokens[] | .caller + " " + .user'
    """
    answer = token_calls.held(admin_socket, question.utf8(upstream, "--upstream"), timeout)
    if as_json:
        output.show_json(to_json(answer))
    else:
        output.show(*words(answer, datetime.now(UTC)))


def to_json(answer: Response) -> dict[str, object]:
    """What is held, under stable keys."""
    return {"total": answer.total, "tokens": [_one_to_json(one) for one in answer.tokens]}


def _one_to_json(one: admin_service_pb2.HeldToken) -> dict[str, object]:
    return {
        "upstream": one.upstream,
        "caller": one.caller,
        "user": one.user,
        "scopes": list(one.scopes),
        "digest": one.digest,
        "issued_at": one.issued_at.ToJsonString(),
        "expires_at": one.expires_at.ToJsonString(),
        "uses": one.uses,
    }


def words(answer: Response, now: datetime) -> Iterator[RenderableType]:
    """The table and a summary, or that there is none."""
    if answer.tokens:
        headers = ["upstream and scopes", "to whom and for whom", ">ends", ">uses"]
        yield output.table(headers, [_row(one, now) for one in answer.tokens])
        yield output.gap()
    yield _summary(answer)


def _row(one: admin_service_pb2.HeldToken, now: datetime) -> list[RenderableType]:
    scopes = output.text(visible(" ".join(one.scopes)) or "no scope", output.DIM)
    user = output.text(visible(one.user) or "itself, and no user", output.DIM)
    return [
        Text("\n").join([output.text(one.upstream, output.STRONG), scopes]),
        Text("\n").join([output.text(one.caller), user]),
        left(one.expires_at, now),
        str(one.uses),
    ]


def _summary(answer: Response) -> Text:
    listed, total = len(answer.tokens), answer.total
    held = f"{total} token{'' if total == 1 else 's'} held"
    return output.text(held if listed == total else f"{listed} listed, {held} in all")
