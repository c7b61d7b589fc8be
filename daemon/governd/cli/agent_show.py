"""``governd agent show``: what is known of an agent, and how its card changed."""

from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import RenderableType

from governd._proto.governd.v1 import admin_service_pb2
from governd.cli import agent_text, options, output, question, tool_diff, tool_lines
from governd.cli.agent_calls import AgentCalls
from governd.cli.tool_changes import Change, Member, compare, whole
from governd.cli.tool_visible import visible


@click.command(short_help="Show what is known of an agent.")
@click.argument("agent", metavar="SPIFFE_ID")
@options.admin_socket()
@options.timeout()
@options.as_json()
def show(*, agent: str, admin_socket: Path, timeout: float, as_json: bool) -> None:
    r"""Show what is known of an agent, what keeps it from more, and its card.

    Where it is quarantined, the card is compared with the one that it is held to. Characters
    that cannot be seen, or that look like others, are shown as escapes such as \u200b.

    Exit code:
      0 shown, 2 usage, 3 governd cannot be asked, or knows no such agent.

    JSON:
      as each of 'governd agent list', and card, held_to (both in canonical form, without
      signatures).

    Examples:
      governd agent show spiffe://example.org/agent/planner
      governd agent show "$ID" --json | jq -r .card.description
    """
    answer = AgentCalls(admin_socket, timeout).get(question.utf8(agent, "SPIFFE_ID"))
    if as_json:
        output.show_json(to_json(answer))
    else:
        output.show(*words(answer))


def to_json(answer: admin_service_pb2.GetAgentStatusResponse) -> dict[str, object]:
    """The agent under stable keys."""
    return {
        **agent_text.to_json(answer.status),
        "card": tool_lines.read(answer.card_json),
        "held_to": tool_lines.read(answer.pinned_json),
    }


def changes(answer: admin_service_pb2.GetAgentStatusResponse) -> list[Member]:
    """How the card differs from the one that the agent is held to, member by member."""
    held, presented = map(tool_lines.read, (answer.pinned_json, answer.card_json))
    return [one for one in compare(held, presented) if one.change is not Change.SAME]


def words(answer: admin_service_pb2.GetAgentStatusResponse) -> Iterator[RenderableType]:
    """The agent, part by part."""
    yield output.facts(agent_text.facts(answer.status))
    yield output.gap()
    differing = changes(answer)
    if not differing:
        yield tool_diff.ledger(whole(tool_lines.read(answer.card_json)))
    for one in differing:
        yield output.text(f"@@ {visible(one.name)}: {one.change.value} @@", "cyan")
        yield tool_diff.ledger(one.lines)
