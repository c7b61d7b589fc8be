"""``governd agent list``: the agents that registered a card."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from rich.console import RenderableType
from rich.text import Text

from governd.cli import agent_text, options, output
from governd.cli.agent_calls import AgentCalls
from governd.cli.failure import NO
from governd.cli.tool_visible import visible


@click.command("list", short_help="List the agents that registered a card.")
@click.option("--quarantined", is_flag=True, help="Only those that are quarantined.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 if one listed is quarantined.")
@options.admin_socket()
@options.timeout()
@options.as_json()
def list_(
    *, quarantined: bool, exit_code: bool, admin_socket: Path, timeout: float, as_json: bool
) -> int:
    """List the agents of this node that registered a card, and how much is known of each.

    Level 0: nothing that counts; 1: the card is the agent's own; 2: its provider signed it;
    3: an attester attests it. An agent that is quarantined presented another card than the
    one that it is held to.

    Exit code:
      0 listed, 1 with --exit-code: one listed is quarantined, 2 usage, 3 governd cannot be
      asked.

    JSON:
      agents, each with spiffe_id, level (0 to 3), level_ends (RFC 3339; null: never),
      quarantined, drift, card_digest, pinned_digest, name, provider, version,
      protocol_version, skills, signature (UNSIGNED, UNVERIFIABLE, UNTRUSTED_KEY, FAILED,
      VERIFIED), key_id, attestation_fault (null for none), problems.

    Examples:
      governd agent list
      governd agent list --quarantined --exit-code || page-somebody
      governd agent list --json | jq -r '.agents[] | select(.level < 2).spiffe_id'
    """
    found = list(AgentCalls(admin_socket, timeout).list(quarantined=quarantined))
    if as_json:
        output.show_json({"agents": [agent_text.to_json(one) for one in found]})
    else:
        output.show(*words(found, quarantined=quarantined))
    return NO if exit_code and any(one.agent.drift for one in found) else 0


def words(found: Sequence[agent_text.Status], *, quarantined: bool) -> Iterator[RenderableType]:
    """The table and a summary, or why there is none."""
    if not found:
        yield output.text("no agent is quarantined" if quarantined else "no agent registered")
        return
    yield output.table(["agent", "card", "provider", "level"], [_row(one) for one in found])
    yield output.gap()
    yield _summary(found)


def _row(status: agent_text.Status) -> list[RenderableType]:
    one = status.agent
    return [
        output.text(one.spiffe_id, output.STRONG),
        f"{visible(one.name)} {visible(one.version)}",
        visible(one.provider) or "-",
        agent_text.level(one),
    ]


def _summary(found: Sequence[agent_text.Status]) -> Text:
    held = sum(bool(one.agent.drift) for one in found)
    line = output.text(f"{len(found)} agent{'' if len(found) == 1 else 's'}, ")
    return line.append(f"{held} quarantined", output.BAD if held else "")
