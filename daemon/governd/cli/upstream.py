"""``governd upstream``: where agents get access to, and whether its issuers give it."""

import click

from governd.cli.root import LazyGroup

VERBS = {
    "list": ("upstream_list:list_", "List the upstreams of the policy in force."),
    "check": ("upstream_check:check", "Ask an upstream's authorization servers."),
    "jwks": ("upstream_jwks:jwks", "Print the public half of a client key."),
}
"""As in ``root``."""


@click.group(
    cls=LazyGroup, verbs=VERBS, short_help="Look at upstreams, and check who issues their tokens."
)
def upstream() -> None:
    """Look at what agents get access tokens for, and whether governd can get them.

    An upstream is an API or an MCP server that the policy source names, with the
    authorization server that issues its tokens and the way to ask for them.

    Examples:
      governd upstream list
      governd upstream check crm
      governd upstream jwks /etc/governd/corp.pem --json > governd.jwks
    """
