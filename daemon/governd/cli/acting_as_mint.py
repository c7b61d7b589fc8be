"""``governd delegation mint``: act for a user, towards one workload."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import RenderableType
from rich.text import Text

from governd._proto.governd.v1 import delegation_service_pb2, types_pb2
from governd.cli import (
    acting_as_input,
    acting_as_show,
    acting_as_text,
    connection,
    input_file,
    options,
    output,
    question,
)
from governd.identity.secret import Secret

_KINDS = ("id_token", "access_token")


@click.command(short_help="Mint a token: act for a user.")
@click.argument("audience")
@click.option("--id-token", metavar="FILE", help="The user's ID token; - reads standard input.")
@click.option("--access-token", metavar="FILE", help="The user's access token in JWT form.")
@click.option("--scope", "scopes", metavar="SCOPE", multiple=True, help="What to permit.")
@click.option("--details", metavar="JSON", help="Authorization details (RFC 9396), a JSON list.")
@acting_as_input.request_options
@click.option(
    "--lifetime",
    type=click.IntRange(1, 300),
    metavar="SECONDS",
    help="At most 300, and no more than policy lets it last.",
)
@click.option("--max-depth", type=click.IntRange(1, 8), default=None, help="Actors in all.")
@click.option("--token", "bare", is_flag=True, help="Print the token, a secret, and nothing else.")
@options.socket()
@options.timeout()
@options.as_json()
def mint(
    *,
    audience: str,
    id_token: str | None,
    access_token: str | None,
    scopes: Sequence[str],
    details: str | None,
    method: str | None,
    uri: str | None,
    body: str | None,
    lifetime: int | None,
    max_depth: int | None,
    bare: bool,
    socket: Path,
    timeout: float,
    as_json: bool,
) -> None:
    r"""Mint a token: the caller acts for the user that the evidence shows, towards AUDIENCE.

    AUDIENCE is the SPIFFE ID of the one workload that is to take the token. Without a
    request, the token is tied to the caller only, and receivers refuse it unless they are
    told to take that.

    Exit code:
      0 minted, 1 refused: policy denies it or the evidence does not hold, 2 usage,
      3 governd cannot be asked.

    JSON:
      as each of 'governd delegation show', decision_id; with --token: token.

    Examples:
      governd delegation mint spiffe://example.org/agent/tools --id-token login.jwt \
          --scope search --method POST --uri https://tools.example.org/mcp
      governd delegation mint spiffe://example.org/agent/tools --id-token - --token < login.jwt
    """
    request = delegation_service_pb2.MintRequest(
        audience=question.utf8(audience, "AUDIENCE"),
        scopes=[question.utf8(each, "--scope") for each in scopes],
        authorization_details_json=question.utf8(details or "", "--details").encode(),
        evidence=_evidence(id_token, access_token),
        max_depth=max_depth or 0,
    )
    if lifetime is not None:
        request.lifetime.FromSeconds(lifetime)
    if (bound := acting_as_input.request(method, uri, body)) is not None:
        # As it was given, not as it is spelled in a token: that has no query.
        request.request.method, request.request.uri = bound.method, uri or ""
        request.request.body_digest = bound.body or ""
    answer = connection.mint(socket, request, timeout)
    _show(answer, bare=bare, as_json=as_json)


def _show(answer: delegation_service_pb2.MintResponse, *, bare: bool, as_json: bool) -> None:
    text = Secret(answer.delegation.token.encode())
    if as_json:
        shown = {"token": text.reveal().decode()} if bare else {}
        output.show_json({**to_json(answer), **shown})
    elif bare:
        click.echo(text.reveal().decode())
    else:
        output.show(*words(answer, datetime.now(UTC)))


def to_json(answer: delegation_service_pb2.MintResponse) -> dict[str, object]:
    """What was minted, under stable keys; without the token."""
    token = acting_as_show.read(Secret(answer.delegation.token.encode()))
    return {**acting_as_text.to_json(token), "decision_id": answer.decision_id}


def words(answer: delegation_service_pb2.MintResponse, now: datetime) -> Iterator[RenderableType]:
    """What was minted, for people; without the token."""
    token = acting_as_show.read(Secret(answer.delegation.token.encode()))
    hint = output.text("  the token is not shown; --token prints it", output.DIM)
    yield Text.assemble(("minted", output.GOOD), hint)
    yield output.gap()
    yield from acting_as_text.chain(token)
    yield output.gap()
    yield output.facts(acting_as_text.facts(token, now))


def _evidence(*files: str | None) -> types_pb2.Evidence:
    """The one token that shows in whose name."""
    given = [(kind, name) for kind, name in zip(_KINDS, files, strict=True) if name is not None]
    if len(given) != 1:
        input_file.refuse("--id-token, --access-token", "expected exactly one")
    [(kind, name)] = given
    token = input_file.read_token(name, f"--{kind.replace('_', '-')}")
    evidence = types_pb2.Evidence()
    setattr(evidence, kind, token.reveal().decode())
    return evidence
