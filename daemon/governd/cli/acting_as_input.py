"""What ``governd delegation`` reads: tokens, and requests that they are tied to."""

from collections.abc import Callable
from typing import TypeVar

import click

from governd.cli.input_file import read_file, refuse
from governd.delegation import binding
from governd.errors import RequestError

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
