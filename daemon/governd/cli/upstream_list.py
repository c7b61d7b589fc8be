"""``governd upstream list``: the upstreams of the policy in force."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from rich.console import RenderableType
from rich.text import Text

from governd._proto.governd.v1 import admin_service_pb2
from governd.cli import options, output, upstream_calls
from governd.cli.failure import NO
from governd.cli.tool_visible import visible

Status = admin_service_pb2.UpstreamStatus

_DOWN, _UP = "down", "up"
_UNNAMED = "unsafe_none"


@click.command("list", short_help="List the upstreams of the policy in force.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 if one listed is down.")
@options.admin_socket()
@options.timeout()
@options.as_json()
def list_(*, exit_code: bool, admin_socket: Path, timeout: float, as_json: bool) -> int:
    """List the upstreams of the policy in force, and how their authorization servers do.

    "acts" is how tokens name who acts for the user: the agent, governd, or the agent as the
    client. With unsafe_none they do not: an upstream takes the agent for the user.

    Exit code:
      0 listed, 1 with --exit-code: one listed is down, 2 usage, 3 governd cannot be asked.

    JSON:
      upstreams, each with name, resource, audience ("" where none is stated),
      authorization_server, issuer, grant, client (governd, agent), actor (agent, governd,
      client, unsafe_none; "" where no user is), scopes, tokens (held in memory), state
      ("unknown" until it was asked, "up", or "down: " and why).

    Examples:
      governd upstream list
      governd upstream list --exit-code || page-somebody
      governd upstream list --json | jq -r '.upstreams[] | select(.actor == "unsafe_none").name'
    """
    found = upstream_calls.upstreams(admin_socket, timeout).upstreams
    if as_json:
        output.show_json({"upstreams": [to_json(one) for one in found]})
    else:
        output.show(*words(found))
    return NO if exit_code and any(map(is_down, found)) else 0


def is_down(one: Status) -> bool:
    """Whether its authorization server could not be asked the last time."""
    return one.state.partition(":")[0] == _DOWN


def to_json(one: Status) -> dict[str, object]:
    """An upstream under stable keys."""
    return {
        "name": one.name,
        "resource": one.resource,
        "audience": one.audience,
        "authorization_server": one.authorization_server,
        "issuer": one.issuer,
        "grant": one.grant,
        "client": one.client,
        "actor": one.actor,
        "scopes": list(one.scopes),
        "tokens": one.tokens,
        "state": one.state,
    }


def words(found: Sequence[Status]) -> Iterator[RenderableType]:
    """The table and a summary, or that there is none."""
    if not found:
        yield output.text("the policy in force names no upstream")
        return
    headers = ["upstream and who issues its tokens", "how", ">held", "state"]
    yield output.table(headers, [_row(one) for one in found])
    yield output.gap()
    for one in filter(is_down, found):
        yield output.text(f"{one.name} is {visible(one.state)}", output.BAD)
    yield _summary(found)


def _row(one: Status) -> list[RenderableType]:
    state = one.state.partition(":")[0]
    return [_who(one), _how(one), str(one.tokens), output.text(visible(state), _style(one))]


def _who(one: Status) -> Text:
    """Its name, what its authorization server knows it by, and who that is."""
    audience = one.audience and f"audience {one.audience}"
    issuer = f"{one.authorization_server}  {one.issuer}"
    known = filter(None, (one.resource, audience, issuer))
    dim = (output.text(each, output.DIM) for each in known)
    return Text("\n").join([output.text(one.name, output.STRONG), *dim])


def _how(one: Status) -> Text:
    """Grant, who acts and who asks, and what for; loud where nobody is said to act."""
    parts = [output.text(one.grant)]
    if one.actor:
        parts.append(output.text(f"acts: {one.actor}", _loud(one)))
    parts.append(output.text(f"client: {one.client}", output.DIM))
    if one.scopes:
        parts.append(output.text(f"scopes: {' '.join(one.scopes)}", output.DIM))
    return Text("\n").join(parts)


def _loud(one: Status) -> str:
    return output.BAD if one.actor == _UNNAMED else output.DIM


def _style(one: Status) -> str:
    if is_down(one):
        return output.BAD
    return output.GOOD if one.state == _UP else ""


def _summary(found: Sequence[Status]) -> Text:
    down, unnamed = sum(map(is_down, found)), sum(one.actor == _UNNAMED for one in found)
    line = output.text(f"{len(found)} upstream{'' if len(found) == 1 else 's'}, ")
    line.append(f"{down} down", output.BAD if down else "")
    if unnamed:
        line.append(f", {unnamed} whose tokens name nobody who acts", output.WARN)
    return line
