"""``governd token get``: an access token, as an agent gets it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import click
from rich.console import RenderableType
from rich.text import Text

from governd._proto.governd.v1 import token_service_pb2
from governd.cli import options, output, question, token_calls, token_claims, token_input
from governd.cli.tool_visible import visible
from governd.identity.secret import Secret

_SECONDS = 30.0
"""An authorization server that is slow, twice over for an ID-JAG, is still waited for."""


@click.command(short_help="Get an access token, as an agent does.")
@click.argument("upstream")
@click.option(
    token_input.OPTION,
    metavar="FILE",
    help="The user's token, for an upstream reached for a user; - reads standard input.",
)
@click.option(
    token_input.TYPE_OPTION,
    type=click.Choice(list(token_input.TYPES)),
    help="What that is. Default: what its header says.",
)
@click.option("--scope", "scopes", metavar="SCOPE", multiple=True, help="What to ask for.")
@click.option("--renew", is_flag=True, help="Not the one that is held: the upstream refused it.")
@click.option("--show-token", is_flag=True, help="Print the token, a secret, and nothing else.")
@options.socket()
@options.timeout(_SECONDS)
@options.as_json()
def get(
    *,
    upstream: str,
    evidence_file: str | None,
    evidence_type: str | None,
    scopes: Sequence[str],
    renew: bool,
    show_token: bool,
    socket: Path,
    timeout: float,
    as_json: bool,
) -> None:
    r"""Get an access token for UPSTREAM, as the agent whose socket it is.

    UPSTREAM is a name in the policy source; see 'governd upstream list'. Where it is reached
    for a user, the user's token says for whom. What the token says is shown decoded:
    governd's command line verifies nothing of it, the upstream has to.

    Exit code:
      0 there is one, 1 refused: policy denies it, the evidence does not hold, or the
      authorization server gives none that may be handed on, 2 usage, 3 governd, or the
      authorization server, cannot be asked.

    JSON:
      caller (SPIFFE ID), user, user_issuer (null for the agent's own), upstream, resource
      ("" for none), scopes, token_type, expires_at (RFC 3339), expires_in_seconds,
      decision_id, claims (an object; null: the token is opaque), claims_verified (always
      false); with --show-token: access_token.

    Examples:
      governd token get crm --socket planner.sock --evidence-file login.jwt
      governd token get crm --evidence-file login.jwt --scope read --json | jq .claims.act
      printf 'Authorization: Bearer %s\n' "$(governd token get jobs --show-token)" |
          curl -H @- https://jobs.example.org
    """
    shown = token_input.read(evidence_file, evidence_type)
    request = token_service_pb2.GetTokenRequest(
        upstream=question.utf8(upstream, "UPSTREAM"),
        scopes=[question.utf8(each, "--scope") for each in scopes],
        evidence=shown.evidence() if shown else None,
        renew=renew,
    )
    caller, answer = token_calls.get(socket, request, timeout)
    token = Secret(answer.access_token.encode())
    for secret in ("access_token", "headers"):  # of which a message makes no secret
        answer.ClearField(secret)
    got = Got(caller, upstream, shown, token, answer)
    _show(got, show_token=show_token, as_json=as_json)


class Got(NamedTuple):
    """A token, and how it was come by.

    Attributes:
        caller: SPIFFE ID of who has it.
        upstream: What it is for.
        shown: Evidence of the user; ``None`` where it is the agent's own.
        token: The token itself.
        answer: What else governd said.
    """

    caller: str
    upstream: str
    shown: token_input.Shown | None
    token: Secret
    answer: token_service_pb2.GetTokenResponse

    def left(self, now: datetime) -> float:
        """For how many seconds it counts."""
        return (self.answer.expires_at.ToDatetime(tzinfo=UTC) - now).total_seconds()


def _show(got: Got, *, show_token: bool, as_json: bool) -> None:
    now = datetime.now(UTC)
    if as_json:
        secret = {"access_token": got.token.reveal().decode()} if show_token else {}
        output.show_json({**to_json(got, now), **secret})
    elif show_token:
        click.echo(got.token.reveal().decode())
    else:
        output.show(*words(got, now))


def to_json(got: Got, now: datetime) -> dict[str, object]:
    """What there is, under stable keys; without the token."""
    answer, shown = got.answer, got.shown
    return {
        "caller": got.caller,
        "user": shown.user if shown else None,
        "user_issuer": shown.issuer if shown else None,
        "upstream": got.upstream,
        "resource": answer.resource,
        "scopes": list(answer.scopes),
        "token_type": answer.token_type,
        "expires_at": answer.expires_at.ToJsonString(),
        "expires_in_seconds": int(got.left(now)),
        "decision_id": answer.decision_id,
        "claims": _claims(got.token),
        "claims_verified": False,
    }


def words(got: Got, now: datetime) -> Iterator[RenderableType]:
    """What there is, for people; without the token."""
    hint = output.text("  it is not shown; --show-token prints it", output.DIM)
    yield Text.assemble((f"a token for {visible(got.upstream)}", output.GOOD), hint)
    yield output.gap()
    yield output.facts(_facts(got, now))
    yield output.gap()
    claims = _claims(got.token)
    if claims is None:
        yield output.text("opaque: what it says, only its authorization server can tell")
        return
    yield output.text("what the token says; not verified here", output.WARN)
    yield output.facts(token_claims.rows(claims, now))


def _facts(got: Got, now: datetime) -> Iterator[tuple[str, RenderableType]]:
    answer = got.answer
    yield "agent", output.text(got.caller, output.STRONG)
    yield "for", _user(got.shown)
    yield "upstream", visible(got.upstream)
    yield "good at", visible(answer.resource) or "not stated"
    yield "scopes", visible(", ".join(answer.scopes)) or "none is stated"
    yield "ends", token_claims.moment(answer.expires_at.seconds, now)
    yield "decision", answer.decision_id


def _user(shown: token_input.Shown | None) -> Text:
    if shown is None:
        return output.text("itself, and no user")
    user = output.text(visible(shown.user), output.STRONG)
    return user.append_text(output.text(f"  user, by {visible(shown.issuer)}", output.DIM))


def _claims(token: Secret) -> Mapping[str, object] | None:
    return token_claims.read(token)
