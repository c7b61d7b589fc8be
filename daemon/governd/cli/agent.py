"""``governd agent``: the agents that registered a card, and what is known of them."""

import click

from governd.cli.root import LazyGroup

VERBS = {
    "list": ("agent_list:list_", "List the agents that registered a card."),
    "show": ("agent_show:show", "Show what is known of an agent."),
    "approve": ("agent_approve:approve", "End the quarantine of an agent."),
    "forget": ("agent_forget:forget", "Forget an agent and the card that it is held to."),
}
"""As in ``root``."""


@click.group(cls=LazyGroup, verbs=VERBS, short_help="Look at agents, and approve cards.")
def agent() -> None:
    """Look at the agents of this node: their cards, and how much of these was verified.

    An agent is held to the first card that it presents. One that presents another is
    quarantined: it has level 0 until somebody approves that card.

    Examples:
      governd agent list --quarantined
      governd agent show spiffe://example.org/agent/planner
      governd agent approve spiffe://example.org/agent/planner
    """
