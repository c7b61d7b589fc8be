"""``governd delegation``: acting-as tokens, who acts in whose name."""

import click

from governd.cli.root import LazyGroup

VERBS = {
    "mint": ("acting_as_mint:mint", "Mint a token: act for a user."),
    "show": ("acting_as_show:show", "Draw the chain that a token claims."),
    "verify": ("acting_as_verify:verify", "Verify a token offline."),
}
"""As in ``root``."""


@click.group(cls=LazyGroup, verbs=VERBS, short_help="Mint, draw and verify acting-as tokens.")
def delegation() -> None:
    r"""Mint, draw and verify acting-as tokens: who acts in whose name, towards whom.

    A token is a secret. It is read from a file or standard input, never from an argument,
    and printed only where --token asks for it.

    Examples:
      governd delegation mint spiffe://example.org/agent/tools --id-token login.jwt --scope search
      governd delegation show token.jwt
      governd delegation verify token.jwt --bundle ca.pem \
          --audience spiffe://example.org/agent/tools
    """
