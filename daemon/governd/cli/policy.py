"""``governd policy``: what an author and an operator of policies need."""

import click

from governd.cli.root import LazyGroup

VERBS = {
    "lint": ("policy_lint:lint", "Check a policy directory."),
    "test": ("policy_test:test", "Run the cases of a policy's author."),
    "reload": ("policy_reload:reload", "Have a governd read its policy now."),
}
"""As in ``root``."""


@click.group(cls=LazyGroup, verbs=VERBS, short_help="Check, test and reload policies.")
def policy() -> None:
    """Check, test and reload policies."""
