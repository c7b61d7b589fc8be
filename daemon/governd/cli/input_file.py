"""Files that verbs read: tokens, which are secrets, and other bytes."""

import sys
from pathlib import Path
from typing import NoReturn

import click

from governd.cli.printable import clean
from governd.identity.secret import Secret

MAX_BYTES = 1 << 20
"""Of a file that is read whole."""
STDIN = "-"


def read_token(name: str, option: str = "FILE") -> Secret:
    """A token out of a file; ``-`` for standard input.

    Raises:
        click.UsageError: It cannot be read, or is no text that a token could be.
    """
    text = read_file(name, option).strip()
    if not text.isascii() or not text:
        refuse(option, f"there is no token in {clean(name)}")
    return Secret(text)


def read_file(name: str, option: str) -> bytes:
    """A file whole; ``-`` for standard input.

    Raises:
        click.UsageError: It cannot be read, or is too large.
    """
    try:
        if name == STDIN:
            content = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with Path(name).open("rb") as file:
                content = file.read(MAX_BYTES + 1)
    except OSError as error:
        refuse(option, f"cannot read {clean(name)}: {(error.strerror or str(error)).lower()}")
    if len(content) > MAX_BYTES:
        refuse(option, f"{clean(name)} has more than {MAX_BYTES} bytes")
    return content


def refuse(option: str, why: str) -> NoReturn:
    """Ends the verb: the command was not understood.

    Raises:
        click.UsageError: Always.
    """
    message = f"{option}: {clean(why)}"
    raise click.UsageError(message, click.get_current_context(silent=True))
