"""``governd tool approve``: this is what it may be from now on."""

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import RenderableType
from rich.text import Text

from governd._proto.governd.v1 import admin_service_pb2, tool_service_pb2
from governd.cli import (
    evaluation,
    options,
    output,
    question,
    tool_diff,
    tool_lines,
    tool_target,
    tool_text,
)
from governd.cli.failure import NO
from governd.cli.printable import clean
from governd.cli.tool_calls import ToolCalls, Tools, refusal
from governd.cli.tool_target import Target
from governd.cli.tool_visible import visible

_DIGEST = re.compile(r"sha-256:[0-9a-f]{64}")


@click.command(short_help="End the quarantine of a definition.")
@tool_target.arguments
@click.option(
    "--digest", metavar="sha-256:HEX", help="Approve this, if it is what is registered; ask nobody."
)
@click.option(
    "--drop",
    metavar="CAPABILITY",
    multiple=True,
    help="No longer require this, which is required only because it was before.",
)
@click.option("--yes", is_flag=True, help="Approve whatever is registered now; ask nobody.")
@options.admin_socket()
@options.timeout()
@options.as_json()
def approve(
    *,
    definition: str,
    kind: str,
    digest: str | None,
    drop: tuple[str, ...],
    yes: bool,
    admin_socket: Path,
    timeout: float,
    as_json: bool,
) -> int:
    """Show what changed in a definition, ask, and hold it to that from now on.

    What is approved is exactly what was shown: if the server registers something else
    meanwhile, governd refuses. Without a terminal, and with --json, nobody can be asked:
    state the --digest that was looked at, or say --yes.

    A capability that was required once stays required, even if what is approved does not
    require it, until --drop names it.

    A definition that the server registered twice, or that is not the one whose digest the
    policy source pins, cannot be approved.

    Exit code:
      0 approved, 1 not: refused, nothing registered, or you said no, 2 usage,
      3 governd cannot be asked, or knows no such definition.

    JSON:
      as each of 'governd tool list', of the definition as it stands now, dropped
      (capabilities), policy (digest, bundle_version, epoch, age_seconds).

    Examples:
      governd tool approve git/git_commit
      governd tool approve git/git_commit --drop git:write
      governd tool approve git/git_commit --digest "$DIGEST" --json
    """
    target = tool_target.read(definition, kind)
    check_digest(digest)
    ask = asker(asked=not (digest or yes), as_json=as_json)
    show = _hide if as_json else output.show
    wanted = Wanted(target, digest, tuple(question.utf8(one, "--drop") for one in drop))
    given = give(ToolCalls(admin_socket, timeout), wanted, ask=ask, show=show)
    if given is None:
        output.show(output.text("not approved"))
        return NO
    if as_json:
        output.show_json(to_json(given))
    else:
        output.show(*words(given))
    return 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be approved.

    Attributes:
        target: Which definition.
        expected: The digest that it must have; ``None`` for any.
        drop: Capabilities that it requires no longer.
    """

    target: Target
    expected: str | None = None
    drop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Approval:
    """An approval that was given.

    Attributes:
        dropped: Capabilities that are required no longer.
        answer: The definition as it stands now.
    """

    dropped: tuple[str, ...]
    answer: admin_service_pb2.ApproveToolResponse


def give(
    tools: Tools,
    wanted: Wanted,
    *,
    ask: Callable[[str], bool],
    show: Callable[..., None],
) -> Approval | None:
    """Shows a definition and approves it if somebody agrees, and exactly that one.

    Args:
        tools: Where it is.
        wanted: Which it is, and what it has to be.
        ask: Whether to approve, given what is asked.
        show: Prints parts.

    Returns:
        The approval; ``None`` where somebody did not agree.

    Raises:
        Failure: It cannot be approved.
    """
    answer = tools.get(wanted.target)
    show(*tool_diff.words(answer, datetime.now(UTC)))
    show(output.gap(), output.facts(tool_text.facts(answer.status)), output.gap())
    # Not the digest that governd says it has: that of the very text which was shown.
    digest = tool_lines.digest(answer.definition_json)
    obstacle = _obstacle(answer.status, wanted.drop)
    if not obstacle and wanted.expected not in {None, digest}:
        obstacle = f"what is registered now is {digest}, not what --digest states"
    if obstacle:
        raise refusal(obstacle)
    if not ask(_question(answer.status, wanted.drop)):
        return None
    return Approval(wanted.drop, tools.approve(wanted.target, digest, wanted.drop))


def to_json(given: Approval) -> dict[str, object]:
    """What came of it under stable keys."""
    return {
        **tool_text.to_json(given.answer.status),
        "dropped": list(given.dropped),
        "policy": evaluation.policy_as_json(given.answer.policy),
    }


def words(given: Approval) -> Iterator[RenderableType]:
    """What came of it."""
    status = given.answer.status
    yield Text.assemble(("approved  ", output.GOOD), output.text(status.pinned_digest, output.DIM))
    yield from tool_text.headline(status)
    if given.dropped:
        yield output.text(f"  no longer required: {visible(', '.join(given.dropped))}")


def _question(status: admin_service_pb2.ToolStatus, drop: Sequence[str]) -> str:
    less = f", and no longer require {visible(', '.join(drop))}" if drop else ""
    return f"approve {tool_text.name(status)} as it is registered{less}?"


def _obstacle(status: admin_service_pb2.ToolStatus, drop: Sequence[str]) -> str:
    """Why nobody can approve this; ``""`` where somebody can."""
    if not status.registered:
        return "nothing of that name is registered now"
    if tool_service_pb2.QUARANTINE_REASON_DUPLICATE in status.reasons:
        return "the server registered more than one of that name, and has to be corrected"
    by_source = status.pin_origin == admin_service_pb2.PIN_ORIGIN_POLICY_SOURCE
    if by_source and status.pinned_digest not in {"", status.digest}:
        return "the policy source pins another, and only the policy source can change that"
    others = visible(", ".join(sorted(set(drop).difference(status.formerly_required))))
    return f"not required only because it was before: {others}" if others else ""


def check_digest(digest: str | None) -> None:
    """Refuses what is given for ``--digest`` and is none.

    Raises:
        click.UsageError: It is none.
    """
    if digest is not None and not _DIGEST.fullmatch(digest):
        message = f"--digest: '{clean(digest)}' is not sha-256: and 64 hex digits in lower case"
        raise click.UsageError(message, click.get_current_context(silent=True))


def asker(
    *, asked: bool, as_json: bool, instead: str = "state the --digest that was looked at, or --yes"
) -> Callable[[str], bool]:
    """Who agrees: somebody at the terminal, where nothing else is written to it.

    Args:
        asked: Whether anybody has to be asked at all.
        as_json: Whether JSON is written to the terminal.
        instead: What to do where nobody can be asked.

    Raises:
        click.UsageError: Nobody can be asked.
    """
    if not asked:
        return _agree
    if as_json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        message = f"nobody can be asked here: {instead}"
        raise click.UsageError(message, click.get_current_context(silent=True))
    return click.confirm


def _agree(_: str) -> bool:
    return True


def _hide(*_: RenderableType) -> None:
    pass
