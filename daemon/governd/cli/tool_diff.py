"""``governd tool diff``: what changed in a definition since it was pinned."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import RenderableType
from rich.text import Text

from governd._proto.governd.v1 import admin_service_pb2, tool_service_pb2
from governd.cli import options, output, tool_lines, tool_target, tool_text
from governd.cli.failure import NO
from governd.cli.tool_calls import ToolCalls
from governd.cli.tool_changes import Change, Line, Member, compare, whole
from governd.cli.tool_visible import visible

_STYLES = {"-": "red", "+": "green", "~": output.DIM}
_CHANGES = {
    Change.ADDED: "added",
    Change.REMOVED: "removed",
    Change.CHANGED: "changed",
    Change.NEW: "the policy source states nothing of it",
}


@click.command(short_help="Show what changed in a definition.")
@tool_target.arguments
@options.admin_socket()
@options.timeout()
@options.as_json()
def diff(*, definition: str, kind: str, admin_socket: Path, timeout: float, as_json: bool) -> int:
    r"""Compare what is registered with what it is held to, member by member.

    It is held to what was pinned, or to what the policy source states of it. Lines with -
    are gone, lines with + are new; texts are cut after sentences. Characters that cannot be
    seen, or that look like others, are shown as escapes such as \u200b.

    Exit code:
      0 no difference, 1 different (or nothing is pinned yet), 2 usage, 3 governd cannot be
      asked, or knows no such definition.

    JSON:
      as each of 'governd tool list', and different (true or false), members (each with name,
      change: same, changed, added, removed, or "not stated" by the policy source; lines).

    Examples:
      governd tool diff git/git_commit
      governd tool diff git/git_commit --json | jq -r '.members[].lines[]'
    """
    answer = ToolCalls(admin_socket, timeout).get(tool_target.read(definition, kind))
    if as_json:
        output.show_json(to_json(answer))
    else:
        output.show(*words(answer, datetime.now(UTC)))
    return NO if different(answer) else 0


def different(answer: admin_service_pb2.GetToolResponse) -> bool:
    """Whether what is registered is not what it is held to; no, where nothing is."""
    status = answer.status
    if not status.registered:
        return False
    if not answer.pinned_json:
        return status.digest != status.pinned_digest
    return _contradicts_source(answer) or any(one.differs for one in members(answer))


def members(answer: admin_service_pb2.GetToolResponse) -> list[Member]:
    """The comparison; none where one of the texts is not there.

    A text that is not the pinned one is what the policy source states; what it leaves out
    it leaves open.
    """
    if not answer.status.registered or not answer.pinned_json:
        return []
    held, registered = map(tool_lines.read, (answer.pinned_json, answer.definition_json))
    partial = tool_lines.digest(answer.pinned_json) != answer.status.pinned_digest
    return compare(held, registered, partial=partial)


def to_json(answer: admin_service_pb2.GetToolResponse) -> dict[str, object]:
    """The comparison under stable keys."""
    return {
        **tool_text.to_json(answer.status),
        "different": different(answer),
        "members": [
            {
                "name": one.name,
                "change": one.change.value,
                "lines": [f"{line.sign} {line.text}".rstrip() for line in one.lines],
            }
            for one in members(answer)
        ],
    }


def words(answer: admin_service_pb2.GetToolResponse, now: datetime) -> Iterator[RenderableType]:
    """The comparison, part by part."""
    yield from tool_text.headline(answer.status)
    yield output.gap()
    yield from sides(answer, now)
    yield output.gap()
    if not answer.status.registered:
        yield output.text("nothing is registered, so there is nothing to compare")
    elif not answer.pinned_json:
        yield from _alone(answer)
    else:
        yield from _compared(answer)


def sides(answer: admin_service_pb2.GetToolResponse, now: datetime) -> Iterator[Text]:
    """What is compared with what; a digest has a line of its own, to be copied."""
    status = answer.status
    held = "nothing yet"
    if status.pinned_digest or answer.pinned_json:
        held = tool_text.origin(status)
    yield output.text(f"--- held to: {held}", _STYLES["-"])
    if status.pinned_digest:
        yield output.text(f"    {status.pinned_digest}")
    seen = "nothing"
    if status.HasField("registered_at"):
        seen = f"{tool_text.age(status.registered_at, now)} ago"
    yield output.text(f"+++ registered: {seen}", _STYLES["+"])
    if status.digest:
        yield output.text(f"    {status.digest}")


def _alone(answer: admin_service_pb2.GetToolResponse) -> Iterator[RenderableType]:
    """What is registered, where there is no text to compare it with."""
    registered = tool_lines.read(answer.definition_json)
    if not answer.status.pinned_digest:
        yield output.text("nothing is pinned, so all of it is new:")
        yield ledger(whole(registered, "+"))
        return
    said = "it is another than" if different(answer) else "it is"
    yield output.text(f"{said} the pinned one, of which only the digest is known here:")
    yield ledger(whole(registered))


def _compared(answer: admin_service_pb2.GetToolResponse) -> Iterator[RenderableType]:
    compared = members(answer)
    for one in compared:
        if one.change is not Change.SAME:
            yield output.text(f"@@ {visible(one.name)}: {_CHANGES[one.change]} @@", "cyan")
            yield ledger(one.lines)
    differing = [one.name for one in compared if one.differs]
    if differing:
        names = visible(", ".join(differing))
        said = f"{len(differing)} of {len(compared)} members differ: {names}"
        yield output.text(said, output.BAD)
    elif _contradicts_source(answer):
        said = "it is what was pinned, but not what the policy source states of it"
        yield output.text(said, output.BAD)
    else:
        yield output.text("no difference", output.GOOD)


def _contradicts_source(answer: admin_service_pb2.GetToolResponse) -> bool:
    """Whether a pin hides from the comparison that the policy source states something else."""
    return tool_service_pb2.QUARANTINE_REASON_DIFFERS_FROM_SOURCE in answer.status.reasons


def ledger(lines: Sequence[Line]) -> tool_text.Ledger:
    """Lines of a comparison, each behind its sign."""
    return tool_text.Ledger(_styled(line) for line in lines)


def _styled(line: Line) -> tuple[Text, Text]:
    style = _STYLES.get(line.sign, "")
    text = output.text(line.text, style)
    if line.marked:
        text.stylize("reverse", *line.marked)
    return output.text(f"{line.sign} ", style), text
