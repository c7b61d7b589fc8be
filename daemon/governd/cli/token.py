"""``governd token``: access tokens for upstreams, as agents get them."""

import click

from governd.cli.root import LazyGroup

VERBS = {
    "get": ("token_get:get", "Get an access token, as an agent does."),
    "cache": ("token_cache:cache", "List the tokens that are held in memory."),
}
"""As in ``root``."""


@click.group(cls=LazyGroup, verbs=VERBS, short_help="Get an access token, and see which are held.")
def token() -> None:
    r"""Get an access token for an upstream as an agent does, and see which governd holds.

    A token is a secret. A user's is read from a file or standard input, never from an
    argument, and what came of it is printed only where --show-token asks for it.

    Examples:
      governd token get crm --socket planner.sock --evidence-file login.jwt
      governd token get crm --evidence-file - --show-token < login.jwt
      governd token cache --upstream crm
    """
