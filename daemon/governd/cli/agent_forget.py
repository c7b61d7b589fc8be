"""``governd agent forget``: nothing is known of it any more."""

from collections.abc import Callable, Iterator
from pathlib import Path

import click
from rich.console import RenderableType
from rich.text import Text

from governd._proto.governd.v1 import admin_service_pb2
from governd.cli import agent_show, agent_text, evaluation, options, output, question
from governd.cli.agent_calls import AgentCalls, AgentToForget
from governd.cli.failure import NO
from governd.cli.tool_approve import asker


@click.command(short_help="Forget an agent and the card that it is held to.")
@click.argument("agent", metavar="SPIFFE_ID")
@click.option("--yes", is_flag=True, help="Forget it; ask nobody.")
@options.admin_socket()
@options.timeout()
@options.as_json()
def forget(*, agent: str, yes: bool, admin_socket: Path, timeout: float, as_json: bool) -> int:
    """Show what is known of an agent, ask, and forget it with the card that it is held to.

    It has level 0 at once. The next card that it presents is its first one: pinned, whatever
    it says. Forget agents that are gone for good; to hold one that is there to another card,
    approve that. What it does goes on: 'governd revocation add agent' ends that. Without a
    terminal, and with --json, nobody can be asked: say --yes.

    Exit code:
      0 forgotten, 1 not: you said no, 2 usage, 3 governd cannot be asked, or knows no such
      agent.

    JSON:
      as each of 'governd agent list', of the agent as it was known before, and policy (digest,
      bundle_version, epoch, age_seconds).

    Examples:
      governd agent forget spiffe://example.org/agent/planner
      governd agent forget "$ID" --yes --json
    """
    ask = asker(asked=not yes, as_json=as_json, instead="say --yes")
    calls = AgentCalls(admin_socket, timeout)
    given = give(calls, question.utf8(agent, "SPIFFE_ID"), ask=ask, quiet=as_json or yes)
    if given is None:
        output.show(output.text("not forgotten"))
        return NO
    if as_json:
        output.show_json(to_json(given))
    else:
        output.show(*words(given))
    return 0


def give(
    agents: AgentToForget, spiffe_id: str, *, ask: Callable[[str], bool], quiet: bool
) -> admin_service_pb2.ForgetAgentResponse | None:
    """Shows what is known of an agent and forgets it if somebody agrees.

    Args:
        agents: Where it is.
        spiffe_id: Which it is.
        ask: Whether to forget, given what is asked.
        quiet: Whether nobody is there to be shown anything.

    Returns:
        ``None`` where somebody did not agree.
    """
    if not quiet:
        output.show(*agent_show.words(agents.get(spiffe_id)))
    if not ask(f"forget {spiffe_id}?"):
        return None
    return agents.forget(spiffe_id)


def to_json(given: admin_service_pb2.ForgetAgentResponse) -> dict[str, object]:
    """What came of it under stable keys."""
    return {
        **agent_text.to_json(given.status),
        "policy": evaluation.policy_as_json(given.policy),
    }


def words(given: admin_service_pb2.ForgetAgentResponse) -> Iterator[RenderableType]:
    """What came of it."""
    one = given.status
    held = output.text(f"it was held to {one.pinned_digest}", output.DIM)
    yield Text.assemble(("forgotten  ", output.GOOD), output.text(one.agent.spiffe_id), "  ", held)
