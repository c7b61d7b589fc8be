"""What a governd could answer about a tool that a server changed."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
import rfc8785
from rich.console import RenderableType

from governd._proto.governd.v1 import admin_service_pb2 as admin
from governd._proto.governd.v1 import tool_service_pb2 as tools
from governd.cli import output, tool_lines

NOW = datetime(2026, 1, 2, 3, tzinfo=UTC)
EVIL = "\x1b[2J\x1b]0;owned\x07\x9b31m\r\u2028\u202e\u2066\u200b\U000e0041"
"""Clears the screen, sets the title, colours, begins lines anew, turns them, hides."""

PINNED: Mapping[str, Any] = {
    "name": "git_commit",
    "description": "Records what is staged. Never pushes.",
    "inputSchema": {"type": "object", "properties": {"message": {"type": "string"}}},
}


def canonical(definition: Mapping[str, Any] | None) -> bytes:
    return b"" if definition is None else rfc8785.dumps(dict(definition))


def a_status(**values: Any) -> admin.ToolStatus:
    """A tool that is registered and in force, unless ``values`` say otherwise."""
    usual = {"server": "git", "kind": tools.DEFINITION_KIND_TOOL, "name": "git_commit"}
    status = admin.ToolStatus(**{**usual, "registered": True, **values})
    if status.registered:
        status.registered_at.FromDatetime(datetime(2026, 1, 2, tzinfo=UTC))
    return status


def an_answer(
    registered: Mapping[str, Any] | None, held: Mapping[str, Any] | None = PINNED, **values: Any
) -> admin.GetToolResponse:
    """A definition that is pinned, and what is registered."""
    now, before = canonical(registered), canonical(held)
    pin = {
        "pinned_digest": tool_lines.digest(before) if before else "",
        "pin_origin": admin.PIN_ORIGIN_FIRST_REGISTRATION if before else 0,
        "digest": tool_lines.digest(now) if now else "",
        "registered": registered is not None,
    }
    status = a_status(**{**pin, **values})
    return admin.GetToolResponse(status=status, definition_json=now, pinned_json=before)


def changed(**members: Any) -> dict[str, Any]:
    """The pinned definition with other members; ``None`` takes one away."""
    merged = {**PINNED, **members}
    return {name: value for name, value in merged.items() if value is not None}


def printed(capsys: pytest.CaptureFixture[str], *parts: RenderableType) -> str:
    """What a user sees, fit for a terminal whoever wrote it."""
    output.show(*parts)
    said = capsys.readouterr().out
    assert not {one for one in EVIL if not one.isascii() or not one.isprintable()} & set(said)
    return said


def json_of(capsys: pytest.CaptureFixture[str], value: Mapping[str, object]) -> Any:
    """What a program sees."""
    output.show_json(value)
    said = capsys.readouterr().out
    assert said.isascii()
    return json.loads(said)
