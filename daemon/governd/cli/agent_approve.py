"""``governd agent approve``: this is its card from now on."""

from collections.abc import Callable, Iterator
from pathlib import Path

import click
from rich.console import RenderableType
from rich.text import Text

from governd._proto.governd.v1 import admin_service_pb2
from governd.cli import agent_show, agent_text, evaluation, options, output, question, tool_lines
from governd.cli.agent_calls import AgentCalls, OneAgent, refusal
from governd.cli.failure import NO
from governd.cli.tool_approve import asker, check_digest


@click.command(short_help="End the quarantine of an agent.")
@click.argument("agent", metavar="SPIFFE_ID")
@click.option(
    "--digest", metavar="sha-256:HEX", help="Approve this, if it is what is there; ask nobody."
)
@click.option("--yes", is_flag=True, help="Approve whatever is there now; ask nobody.")
@options.admin_socket()
@options.timeout()
@options.as_json()
def approve(
    *,
    agent: str,
    digest: str | None,
    yes: bool,
    admin_socket: Path,
    timeout: float,
    as_json: bool,
) -> int:
    """Show how an agent's card changed, ask, and hold the agent to it from now on.

    What is approved is exactly what was shown: if the agent presents another card
    meanwhile, governd refuses. Without a terminal, and with --json, nobody can be asked:
    state the --digest that was looked at, or say --yes.

    Exit code:
      0 approved, 1 not: refused, or you said no, 2 usage, 3 governd cannot be asked, or
      knows no such agent.

    JSON:
      as each of 'governd agent list', of the agent as it is known now, and policy (digest,
      bundle_version, epoch, age_seconds).

    Examples:
      governd agent approve spiffe://example.org/agent/planner
      governd agent approve "$ID" --digest "$DIGEST" --json
    """
    check_digest(digest)
    ask = asker(asked=not (digest or yes), as_json=as_json)
    show = _hide if as_json else output.show
    calls = AgentCalls(admin_socket, timeout)
    given = give(calls, question.utf8(agent, "SPIFFE_ID"), digest, ask=ask, show=show)
    if given is None:
        output.show(output.text("not approved"))
        return NO
    if as_json:
        output.show_json(to_json(given))
    else:
        output.show(*words(given))
    return 0


def give(
    agents: OneAgent,
    spiffe_id: str,
    expected: str | None,
    *,
    ask: Callable[[str], bool],
    show: Callable[..., None],
) -> admin_service_pb2.ApproveAgentResponse | None:
    """Shows an agent's card and approves it if somebody agrees, and exactly that one.

    Args:
        agents: Where it is.
        spiffe_id: Which it is.
        expected: The digest that the card must have; ``None`` for any.
        ask: Whether to approve, given what is asked.
        show: Prints parts.

    Returns:
        ``None`` where somebody did not agree.

    Raises:
        Failure: It cannot be approved.
    """
    answer = agents.get(spiffe_id)
    show(*agent_show.words(answer))
    # Not the digest that governd says it has: that of the very text which was shown.
    digest = tool_lines.digest(answer.card_json)
    if expected not in {None, digest}:
        problem = f"the card is now {digest}, not what --digest states"
        raise refusal(problem)
    if not ask(f"hold {spiffe_id} to this card?"):
        return None
    return agents.approve(spiffe_id, digest)


def to_json(given: admin_service_pb2.ApproveAgentResponse) -> dict[str, object]:
    """What came of it under stable keys."""
    return {
        **agent_text.to_json(given.status),
        "policy": evaluation.policy_as_json(given.policy),
    }


def words(given: admin_service_pb2.ApproveAgentResponse) -> Iterator[RenderableType]:
    """What came of it."""
    status = given.status
    yield Text.assemble(("approved  ", output.GOOD), output.text(status.pinned_digest, output.DIM))
    yield output.facts(agent_text.facts(status))


def _hide(*_: RenderableType) -> None:
    pass
