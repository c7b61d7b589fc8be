"""What ``governd delegation`` reads: tokens, and requests that they are tied to."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, TypeVar

import click

from governd.cli.printable import clean
from governd.delegation import binding
from governd.errors import RequestError
from governd.identity.secret import Secret

MAX_BYTES = 1 << 20
"""Of a file that is read whole."""
STDIN = "-"

_F = TypeVar("_F", bound=Callable[..., object])


def token_argument(function: _F) -> _F:
    """Adds the file that a token is read from."""
    return click.argument("token_file", metavar="FILE")(function)


def request_options(function: _F) -> _F:
    """Adds the request that a token is tied to: ``request`` takes the same names."""
    for decorate in (
        click.option("--body", metavar="FILE", help="The request's body; - reads standard input."),
        click.option("--uri", metavar="URI", help="The request's target URI, with its query."),
        click.option("--method", metavar="METHOD", help="The request's method, e.g. POST."),
    ):
        function = decorate(function)
    return function


def read_token(name: str, option: str = "FILE") -> Secret:
    """A token out of a file; ``-`` for standard input.

    Raises:
        click.UsageError: It cannot be read, or is no text that a token could be.
    """
    text = read_file(name, option).strip()
    if not text.isascii() or not text:
        refuse(option, f"there is no token in {clean(name)}")
    return Secret(text)


def request(method: str | None, uri: str | None, body: str | None) -> binding.RequestBinding | None:
    """The request that a token is tied to; ``None`` for none.

    Raises:
        click.UsageError: It is none, or only a part of one.
    """
    if method is None and uri is None and body is None:
        return None
    if method is None or uri is None:
        refuse("--method, --uri", "a request has both")
    content = None if body is None else read_file(body, "--body")
    try:
        found = None if content is None else binding.body_digest(content)
        return binding.request_binding(method, uri, found)
    except RequestError as error:
        refuse("--method, --uri", str(error))


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
