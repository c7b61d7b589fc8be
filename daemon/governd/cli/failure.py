"""How a verb fails: one line on standard error, and an exit code.

Exit codes: 1 the answer is no (a deny, a mistake found, a case failed, not serving);
2 the command was not understood; 3 the question could not be asked.
"""

from collections.abc import Sequence

import click

from governd.cli.printable import clean

NO = 1
USAGE = 2
CANNOT_ASK = 3


class Failure(click.ClickException):
    """Ends a verb.

    Attributes:
        exit_code: Of the process.
        report: Lines that come before the message, as ``file:line: what is wrong``.
    """

    def __init__(self, message: str, *, exit_code: int, report: Sequence[str] = ()) -> None:
        """Takes a message in lower case that says what to do next."""
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc] # click looks at the instance
        self.report = tuple(report)


def tell(error: click.ClickException) -> None:
    """Writes what a user reads of a failure to standard error."""
    for line in error.report if isinstance(error, Failure) else ():
        click.echo(clean(line), err=True)
    click.echo(line_of(error), err=True)


def line_of(error: click.ClickException) -> str:
    """The one line that a user reads."""
    message = " ".join(error.format_message().split())
    if isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx else "governd"
        message = f"{_lower_first(message).rstrip('.')}; see '{path} --help'"
    return clean(f"governd: {message}")


def _lower_first(message: str) -> str:
    """A sentence's beginning in lower case; a name in capitals stays as it is."""
    return message[:1].lower() + message[1:] if message[1:2].islower() else message
