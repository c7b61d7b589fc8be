"""``governd revocation``: end on this node what has not expired."""

import click

from governd.cli.root import LazyGroup

VERBS = {
    "add": ("revocation_add:add", "Revoke an agent, a user, a chain or a token."),
    "list": ("revocation_list:list_", "List what is revoked on this node."),
}
"""As in ``root``."""


@click.group(cls=LazyGroup, verbs=VERBS, short_help="Revoke agents, users and tokens.")
def revocation() -> None:
    """Revoke agents, users, chains of acting-as tokens and single tokens, on this node.

    What is to last, or to count everywhere, belongs into [revoked] of the policy source.

    Examples:
      governd revocation add agent spiffe://example.org/ns/shop/sa/web --for 2h
      governd revocation list
    """
