"""The group of all verbs. Each is imported when it is called."""

import importlib
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

import click

from governd import __version__
from governd.cli import failure
from governd.cli.help_text import verbatim

VERBS: Mapping[str, tuple[str, str]] = {
    "run": ("run:run", "Run the daemon."),
    "validate": ("validate:validate", "Check a configuration and the policy it names."),
    "healthcheck": ("healthcheck:healthcheck", "Ask a governd whether it serves."),
    "status": ("status:status", "Show what a governd is and holds."),
    "whoami": ("whoami:whoami", "Show who governd takes you for."),
    "evaluate": ("evaluate:evaluate", "Ask whether you may do something."),
    "explain": ("explain:explain", "Show why a question is answered as it is."),
    "caller": ("caller:caller", "See who calls."),
    "identity": ("identity:identity", "See what identities governd holds."),
    "tool": ("tool:tool", "Look at, compare and approve MCP tools."),
    "agent": ("agent:agent", "Look at agents, and approve cards."),
    "card": ("card:card", "Read and verify agent cards."),
    "delegation": ("acting_as:delegation", "Mint, draw and verify acting-as tokens."),
    "upstream": ("upstream:upstream", "Look at upstreams, and check who issues their tokens."),
    "token": ("token:token", "Get an access token, and see which are held."),
    "revocation": ("revocation:revocation", "Revoke agents, users and tokens."),
    "policy": ("policy:policy", "Check, test and reload policies."),
}
"""Module and function of each verb, and its first line of help, in the order of help."""


class LazyGroup(click.Group):
    """A group whose commands are named by a table and imported when they are called.

    It also gives errors their form, wherever in the tree they come from.
    """

    def __init__(self, verbs: Mapping[str, tuple[str, str]], **extra: Any) -> None:  # noqa: ANN401 - click's
        """Takes ``module:function`` under ``governd.cli``, and a line of help, by name."""
        super().__init__(**extra)
        self.help = verbatim(self.help)
        self._verbs = verbs

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        """The verbs, in the order of the table."""
        return list(self._verbs)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's
        cmd_name: str,
    ) -> click.Command | None:
        """Imports a verb."""
        if cmd_name not in self._verbs:
            return None
        module, _, name = self._verbs[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(f"governd.cli.{module}"), name)
        if not isinstance(command, click.Command):
            return None
        command.help = verbatim(command.help)
        return command

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's
        formatter: click.HelpFormatter,
    ) -> None:
        """Writes the table without importing what it names."""
        with formatter.section("Verbs"):
            formatter.write_dl([(name, said) for name, (_, said) in self._verbs.items()])

    def main(self, *args: Any, **extra: Any) -> NoReturn:  # noqa: ANN401 - click's
        """Runs a verb and exits with what it returns, or one line and a code."""
        try:
            code = super().main(*args, **{**extra, "standalone_mode": False})
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message(), err=True)
            sys.exit(error.exit_code)
        except click.ClickException as error:
            failure.tell(error)
            sys.exit(error.exit_code)
        except click.Abort:
            click.echo("governd: interrupted", err=True)
            sys.exit(130)
        sys.exit(code if isinstance(code, int) else 0)


@click.group(
    cls=LazyGroup,
    verbs=VERBS,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, message="governd %(version)s")
def governd() -> None:
    """Node-local governance for AI agents and MCP servers.

    A first look:
      governd validate --config governd.toml
      governd run --config governd.toml
      governd status --admin-socket /run/governd/admin.sock
      governd evaluate --socket writer.sock tools/call tool:git/git_commit
    """
