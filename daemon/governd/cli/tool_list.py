"""``governd tool list``: what MCP servers offer."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import RenderableType
from rich.text import Text

from governd._proto.governd.v1 import admin_service_pb2
from governd.cli import options, output, question, tool_text
from governd.cli.failure import NO
from governd.cli.tool_calls import ToolCalls
from governd.cli.tool_visible import visible

Statuses = Sequence[admin_service_pb2.ToolStatus]


@click.command("list", short_help="List what MCP servers offer.")
@click.option("--server", metavar="NAME", help="Only what this MCP server offers.")
@click.option("--quarantined", is_flag=True, help="Only what is quarantined.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 if anything listed is quarantined.")
@options.admin_socket()
@options.timeout()
@options.as_json()
def list_(
    *,
    server: str | None,
    quarantined: bool,
    exit_code: bool,
    admin_socket: Path,
    timeout: float,
    as_json: bool,
) -> int:
    """List the tools that the policy source declares, and all that MCP servers registered.

    What is quarantined is hidden from agents and denied; 'governd tool diff' shows what
    changed, 'governd tool approve' ends it.

    Exit code:
      0 listed, 1 with --exit-code: something listed is quarantined, 2 usage,
      3 governd cannot be asked.

    JSON:
      tools, each with server, kind (tool, resource, template, prompt), name, declared,
      registered, quarantined, reasons, detail, digest, pinned_digest, pin_origin
      (first_registration, operator, policy_source; "" for no pin), registered_at (RFC 3339;
      null: not registered), requires, destructive, open_world (null: no tool),
      untyped_arguments (at most 64), formerly_required (those of requires that an approval
      with --drop ends).

    Examples:
      governd tool list --server git
      governd tool list --quarantined --exit-code || page-somebody
      governd tool list --json | jq -r '.tools[] | select(.destructive).name'
    """
    request = admin_service_pb2.ListToolsRequest(
        server=question.utf8(server or "", "--server"), quarantined=quarantined
    )
    answer = ToolCalls(admin_socket, timeout).list(request)
    found = sorted(answer, key=lambda one: (one.server, one.kind, one.name))
    if as_json:
        output.show_json({"tools": [tool_text.to_json(one) for one in found]})
    else:
        output.show(*words(found, request, datetime.now(UTC)))
    return NO if exit_code and any(one.reasons for one in found) else 0


def words(
    found: Statuses, request: admin_service_pb2.ListToolsRequest, now: datetime
) -> Iterator[RenderableType]:
    """The table and a summary, or why there is none."""
    if not found:
        yield output.text(_nothing(request))
        return
    headers = ["definition", "state", "requires", "destroys", ">registered"]
    yield output.table(headers, [_row(one, now) for one in found])
    yield output.gap()
    yield _summary(found)


def _row(one: admin_service_pb2.ToolStatus, now: datetime) -> list[RenderableType]:
    destroys = output.text("yes", output.WARN) if one.destructive else "no"
    seen = one.HasField("registered_at")
    return [
        _name(one),
        tool_text.state(one),
        visible(", ".join(one.requires)) or "-",
        destroys if tool_text.is_tool(one) else "-",
        tool_text.age(one.registered_at, now) if seen else "-",
    ]


def _name(one: admin_service_pb2.ToolStatus) -> Text:
    """As the other verbs take it, with the kind below where they need to be told."""
    cell = output.text(tool_text.name(one), output.STRONG)
    if tool_text.is_tool(one):
        return cell
    return Text.assemble(cell, (f"\n  {tool_text.kind_word(one.kind)}", output.DIM))


def _summary(found: Statuses) -> Text:
    servers = len({one.server for one in found})
    total = f"{_count(len(found), 'definition')} of {_count(servers, 'server')}: "
    held = sum(bool(one.reasons) for one in found)
    absent = sum(not one.registered and not one.reasons for one in found)
    line = output.text(f"{total}{len(found) - held - absent} in force, ")
    line.append(f"{held} quarantined", output.BAD if held else "")
    return line.append(f", {absent} not registered")


def _nothing(request: admin_service_pb2.ListToolsRequest) -> str:
    of = f" of {visible(request.server)}" if request.server else ""
    if request.quarantined:
        return f"nothing{of} is quarantined"
    return f"no definition{of} is declared or registered"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
