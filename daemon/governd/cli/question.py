"""A question as it is written on the command line: ACTION RESOURCE and options."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, TypeVar

import click

from governd._proto.governd.v1 import policy_service_pb2
from governd.cli.printable import clean

_MOST_BYTES = 16 << 20
"""As much as the largest message that governd can be configured to take."""

_F = TypeVar("_F", bound=Callable[..., object])


def arguments(function: _F) -> _F:
    """Adds what a question is made of: ``ask`` takes the same names."""
    for decorate in (
        click.option("--subject", metavar="ID", help="Whom to ask about; gateways only."),
        click.option(
            "--arguments",
            "call_arguments",
            metavar="JSON",
            help="Arguments of the call, a JSON object; @FILE reads a file, - standard input.",
        ),
        click.argument("resource"),
        click.argument("action"),
    ):
        function = decorate(function)
    return function


def ask(
    action: str, resource: str, call_arguments: str | None, subject: str | None
) -> policy_service_pb2.EvaluateRequest:
    """The request for a question.

    Args:
        action: e.g. ``tools/call``.
        resource: ``TYPE:ID``, e.g. ``tool:git/git_commit``.
        call_arguments: A JSON object, ``@FILE`` or ``-``; governd judges it.
        subject: A SPIFFE ID; ``None`` for the caller itself.

    Raises:
        click.UsageError: It cannot be a question.
    """
    kind, colon, name = utf8(resource, "RESOURCE").partition(":")
    if not colon or not kind or not name:
        _refuse("RESOURCE", f"'{clean(resource)}' is not TYPE:ID, such as tool:git/git_commit")
    request = policy_service_pb2.EvaluateRequest()
    request.action.name = utf8(action, "ACTION")
    request.resource.type, request.resource.id = kind, name
    if subject is not None:
        request.subject.id = utf8(subject, "--subject")
    if call_arguments is not None:
        request.context.arguments_json = read(call_arguments, "--arguments")
    return request


def read(given: str, name: str) -> bytes:
    """What an option gives: itself, a file's content, or standard input.

    Args:
        given: A text, ``@FILE`` or ``-``.
        name: Of the option, for errors.

    Raises:
        click.UsageError: It cannot be read, or is too much.
    """
    if given == "-":
        content = sys.stdin.buffer.read(_MOST_BYTES + 1)
    elif given.startswith("@"):
        content = _read_file(Path(given[1:]), name)
    else:
        content = given.encode(errors="surrogateescape")
    if len(content) > _MOST_BYTES:
        _refuse(name, f"more than {_MOST_BYTES} bytes")
    return content


def _read_file(path: Path, name: str) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MOST_BYTES + 1)
    except OSError as error:
        _refuse(name, f"cannot read {path}: {(error.strerror or str(error)).lower()}")


def utf8(text: str, name: str) -> str:
    """The text, which a protobuf string takes only as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        _refuse(name, "not valid UTF-8")
    return text


def _refuse(name: str, why: str) -> NoReturn:
    message = f"{name}: {why}"
    raise click.UsageError(message, click.get_current_context(silent=True))
