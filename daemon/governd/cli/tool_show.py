"""``governd tool show``: what governd makes of a definition."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import RenderableType
from rich.text import Text

from governd._proto.governd.v1 import admin_service_pb2
from governd.cli import options, output, tool_diff, tool_lines, tool_target, tool_text
from governd.cli.tool_calls import ToolCalls
from governd.cli.tool_visible import visible

_BAR = Text("\u2502 ", output.DIM)


@click.command(short_help="Show what governd makes of a definition.")
@tool_target.arguments
@options.admin_socket()
@options.timeout()
@options.as_json()
def show(*, definition: str, kind: str, admin_socket: Path, timeout: float, as_json: bool) -> None:
    r"""Show a definition: its state, what a call needs and may do, its arguments, its text.

    NAME is a tool's or prompt's name, a resource's URI or a template's URI template, as
    'governd tool list' shows it. Characters that cannot be seen, or that look like others,
    are shown as escapes such as \u200b.

    Exit code:
      0 shown, 2 usage, 3 governd cannot be asked, or knows no such definition.

    JSON:
      as each of 'governd tool list', and definition (what is registered), held_to (what it is
      held to; of what the policy source states, that alone), each null for none, arguments
      (each with name, type, required).

    Examples:
      governd tool show git/git_commit
      governd tool show git/file:///srv/repo/README.md --kind resource
      governd tool show git/git_commit --json | jq -r .definition.description
    """
    target = tool_target.read(definition, kind)
    answer = ToolCalls(admin_socket, timeout).get(target)
    if as_json:
        output.show_json(to_json(answer))
    else:
        output.show(*words(answer, datetime.now(UTC)))


def to_json(answer: admin_service_pb2.GetToolResponse) -> dict[str, object]:
    """The definition under stable keys."""
    return {
        **tool_text.to_json(answer.status),
        "definition": tool_lines.read(answer.definition_json) or None,
        "held_to": tool_lines.read(answer.pinned_json) or None,
        "arguments": [
            {"name": one.name, "type": one.type, "required": one.required}
            for one in answer.arguments
        ],
    }


def words(answer: admin_service_pb2.GetToolResponse, now: datetime) -> Iterator[RenderableType]:
    """The definition, part by part."""
    status = answer.status
    yield from tool_text.headline(status)
    yield output.gap()
    yield from tool_diff.sides(answer, now)
    yield output.gap()
    yield output.facts(tool_text.facts(status))
    if answer.arguments:
        rows = [
            (visible(one.name), visible(one.type), "yes" if one.required else "no")
            for one in answer.arguments
        ]
        yield output.gap()
        yield output.table(["argument", "type", "required"], rows)
    yield from _definition(answer)


def _definition(answer: admin_service_pb2.GetToolResponse) -> Iterator[RenderableType]:
    """The text that is registered; without one, what it is held to."""
    members = tool_lines.read(answer.definition_json or answer.pinned_json)
    description = members.pop("description", None)
    if isinstance(description, str):
        yield from _block("description", [visible(one) for one in description.split("\n")])
    yield from _rest(members)


def _rest(members: Mapping[str, object]) -> Iterator[RenderableType]:
    lines = [line for name in sorted(members) for line in tool_lines.of_member(name, members[name])]
    if lines:
        yield from _block("definition", lines)


def _block(title: str, lines: list[str]) -> Iterator[RenderableType]:
    """Lines that are fit for the terminal, behind a bar that they cannot leave."""
    yield output.gap()
    yield output.text(title, output.STRONG)
    yield tool_text.Ledger((_BAR, output.text(line)) for line in lines)
