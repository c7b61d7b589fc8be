"""``governd identity``: what identities governd holds."""

import click

from governd.cli.root import LazyGroup

VERBS = {
    "list": ("identity_list:list_", "List the workloads for which identities are held."),
    "show": ("identity_show:show", "Show what is held for a workload."),
}
"""As in ``root``."""


@click.group(cls=LazyGroup, verbs=VERBS, short_help="See what identities governd holds.")
def identity() -> None:
    """See what identities governd holds for workloads and for itself, and who waits for one.

    Keys are shown to nobody.

    Examples:
      governd identity list --waiting
      governd identity show governd/signer/node-1
    """
