"""Which definition is meant, as it is written on the command line: SERVER/NAME and --kind."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import click

from governd._proto.governd.v1 import tool_service_pb2
from governd.cli import question
from governd.cli.printable import clean

KINDS: Mapping[str, tool_service_pb2.DefinitionKind.ValueType] = {
    "tool": tool_service_pb2.DEFINITION_KIND_TOOL,
    "resource": tool_service_pb2.DEFINITION_KIND_RESOURCE,
    "template": tool_service_pb2.DEFINITION_KIND_RESOURCE_TEMPLATE,
    "prompt": tool_service_pb2.DEFINITION_KIND_PROMPT,
}

_F = TypeVar("_F", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class Target:
    """A definition's name.

    Attributes:
        server: The name under which the policy source declares its server.
        kind: What it defines.
        name: Its name; of a resource its URI, of a template its URI template.
    """

    server: str
    kind: tool_service_pb2.DefinitionKind.ValueType
    name: str


def arguments(function: _F) -> _F:
    """Adds what names a definition: ``read`` takes the same names."""
    for decorate in (
        click.option(
            "--kind",
            type=click.Choice(list(KINDS)),
            default="tool",
            show_default=True,
            help="What it defines.",
        ),
        click.argument("definition", metavar="SERVER/NAME"),
    ):
        function = decorate(function)
    return function


def read(definition: str, kind: str) -> Target:
    """The definition that is meant.

    Args:
        definition: ``SERVER/NAME``; the name may have slashes of its own.
        kind: One of ``KINDS``.

    Raises:
        click.UsageError: It names none.
    """
    server, slash, name = question.utf8(definition, "SERVER/NAME").partition("/")
    if not server or not slash or not name:
        message = f"SERVER/NAME: '{clean(definition)}' is not SERVER/NAME, such as git/git_commit"
        raise click.UsageError(message, click.get_current_context(silent=True))
    return Target(server, KINDS[kind], name)
