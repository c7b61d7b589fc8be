"""A delegation as it is written on the command line: ``--delegation`` and ``--kya-level``."""

from collections.abc import Callable
from typing import NoReturn, TypeVar

import click
from google.protobuf import json_format

from governd._proto.governd.v1 import admin_service_pb2
from governd.cli import question
from governd.cli.printable import clean

_OPTION = "--delegation"
_MAX_LEVEL = 3
_F = TypeVar("_F", bound=Callable[..., object])


def arguments(function: _F) -> _F:
    """Adds what circumstances are made of: ``state`` takes the same names."""
    for decorate in (
        click.option(
            "--kya-level",
            type=click.IntRange(0, _MAX_LEVEL),
            default=None,
            help="How well the subject would be known; as well as it is now unless stated.",
        ),
        click.option(
            _OPTION,
            metavar="JSON",
            help="For whom it would act, as a policy test says it; @FILE reads a file.",
        ),
    ):
        function = decorate(function)
    return function


def state(
    request: admin_service_pb2.ExplainRequest, delegation: str | None, kya_level: int | None
) -> None:
    """Adds to a request what is stated.

    Raises:
        click.UsageError: It is no delegation.
    """
    if kya_level is not None:
        request.kya_level = kya_level
    if delegation is None:
        return
    text = question.read(delegation, _OPTION)
    try:
        json_format.Parse(text, request.delegation)
    except (json_format.ParseError, UnicodeDecodeError) as error:
        _refuse(clean(str(error)))
    if not request.delegation.user:
        _refuse("user: required")


def _refuse(why: str) -> NoReturn:
    message = f"{_OPTION}: {why}"
    raise click.UsageError(message, click.get_current_context(silent=True))
