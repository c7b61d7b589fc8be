"""``governd card``: agent cards in files, read and verified without a daemon."""

import click

from governd.cli.root import LazyGroup

VERBS = {
    "show": ("card_show:show", "Show what governd reads in an agent card."),
    "verify": ("card_verify:verify", "Say who vouches for an agent card."),
}
"""As in ``root``."""


@click.group(cls=LazyGroup, verbs=VERBS, short_help="Read and verify agent cards.")
def card() -> None:
    """Read an A2A agent card as governd does, and see whether it would count.

    Nothing is fetched and no daemon is asked.

    Examples:
      governd card show agent-card.json
      governd card verify agent-card.json --policy /etc/governd/policy
    """
