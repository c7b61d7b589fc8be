"""``governd upstream check``: whether an upstream's authorization servers give tokens."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import click
from rich.console import Console, RenderableType
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from governd._proto.governd.v1 import admin_service_pb2
from governd.cli import evaluation, options, output, question, upstream_calls
from governd.cli.failure import NO
from governd.cli.printable import clean
from governd.cli.tool_visible import visible

Response = admin_service_pb2.CheckUpstreamResponse

_SECONDS = 35.0
"""More than governd takes at most, so that it is governd which says what took too long."""


@click.command(short_help="Ask an upstream's authorization servers.")
@click.argument("name", metavar="UPSTREAM")
@options.admin_socket()
@options.timeout(_SECONDS)
@options.as_json()
def check(*, name: str, admin_socket: Path, timeout: float, as_json: bool) -> int:
    """Ask the authorization servers of UPSTREAM whether agents would get tokens for it.

    Step by step: for their metadata, whether they know governd as their client, and whether
    they take the grant. After a step that is not ok, those that rest on it are left out.
    Nobody gets a token by it. It takes as long as the servers do, 30 s at most.

    Exit code:
      0 all is ok, 1 it is not, 2 usage, 3 governd cannot be asked, or knows no such upstream.

    JSON:
      ok (all of it), checks, each with authorization_server, step (metadata, keys, client,
      grant), ok, detail, took_seconds.

    Examples:
      governd upstream check crm
      governd upstream check crm --json | jq -r '.checks[] | select(.ok | not).detail'
    """
    name = question.utf8(name, "UPSTREAM")
    with progress(name, Console(stderr=True)):
        answer = upstream_calls.check(admin_socket, name, timeout)
    if as_json:
        output.show_json(to_json(answer))
    else:
        output.show(*words(name, answer))
    return 0 if answer.ok else NO


def progress(name: str, console: Console) -> AbstractContextManager[object]:
    """Shows within the block that something goes on, and since when; only on a terminal."""
    if not console.is_terminal:
        return nullcontext()
    said = TextColumn("{task.description}", markup=False)
    running = Progress(SpinnerColumn(), said, TimeElapsedColumn(), console=console, transient=True)
    running.add_task(f"asking the authorization servers of {clean(name)}", total=None)
    return running


def to_json(answer: Response) -> dict[str, object]:
    """What came of it, under stable keys."""
    return {"ok": answer.ok, "checks": [_check_to_json(one) for one in answer.checks]}


def _check_to_json(one: admin_service_pb2.UpstreamCheck) -> dict[str, object]:
    return {
        "authorization_server": one.authorization_server,
        "step": one.step,
        "ok": one.ok,
        "detail": one.detail,
        "took_seconds": evaluation.seconds(one.took),
    }


def words(name: str, answer: Response) -> Iterator[RenderableType]:
    """The steps as a table, and what they amount to."""
    headers = ["asked", "step", "", "found", ">took"]
    yield output.table(headers, [_row(one) for one in answer.checks])
    yield output.gap()
    verdict = ("ok", output.GOOD) if answer.ok else ("NOT OK", output.BAD)
    yield Text.assemble(output.text(f"{name}  ", output.STRONG), verdict)


def _row(one: admin_service_pb2.UpstreamCheck) -> list[RenderableType]:
    return [
        one.authorization_server,
        output.text(one.step, output.STRONG),
        output.text("ok", output.GOOD) if one.ok else output.text("NOT OK", output.BAD),
        visible(one.detail),
        _took(evaluation.seconds(one.took)),
    ]


def _took(seconds: float) -> str:
    return output.duration(seconds) if seconds >= 1 else f"{seconds * 1000:.0f} ms"
