"""``governd tool``: what MCP servers offer, and what of it is quarantined."""

import click

from governd.cli.root import LazyGroup

VERBS = {
    "list": ("tool_list:list_", "List what MCP servers offer."),
    "show": ("tool_show:show", "Show what governd makes of a definition."),
    "diff": ("tool_diff:diff", "Show what changed in a definition."),
    "approve": ("tool_approve:approve", "End the quarantine of a definition."),
}
"""As in ``root``."""


@click.group(cls=LazyGroup, verbs=VERBS, short_help="Look at, compare and approve MCP tools.")
def tool() -> None:
    """Look at what MCP servers offer, see what changed, and approve it.

    A definition is a tool, a resource, a resource template or a prompt. One that is not
    what governd holds it to is quarantined: hidden and denied, until somebody approves it.

    Examples:
      governd tool list --quarantined
      governd tool diff git/git_commit
      governd tool approve git/git_commit
    """
