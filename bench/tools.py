"""Tools to measure with: MCP definitions, and policy sources about many of them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.policies import TRUST_DOMAIN
from governd._proto.governd.v1 import tool_service_pb2

SERVER = "srv-{:02}"
"""The name of the MCP server of a number, and of its listener."""
TOOL = "tool_{:03}"
READER = f"spiffe://{TRUST_DOMAIN}/ns/bench/sa/a-{{:05}}"
"""An agent that may call what only reads; nobody lists it, its namespace is granted that."""
PER_SERVER = 50
_PER_MESSAGE = 64
_TEXT = "Says what the tool is for, when to use it and when not, and what comes back. " * 8
_MANIFEST = f"""\
format = 1
name = "bench"
version = 1
trust_domain = "{TRUST_DOMAIN}"
"""
_GRANTS = """\
[[grant]]
namespaces = ["bench"]
capabilities = ["bench:read"]
"""
_POLICIES = (
    (
        'forbid (principal, action == Action::"tools/call:{id}", resource)\n'
        "when {{ context.args has amount && context.args.amount > {number} }};\n"
    ),
    (
        'permit (principal in Group::"g-{number:05}",\n'
        '  action == Action::"tools/call:{id}", resource)\n'
        'when {{ context.args.path like "/srv/{number}/*" }};\n'
    ),
    (
        'forbid (principal == Agent::"spiffe://example.org/agent/a-{number:05}",\n'
        '  action in Action::"tools/call", resource == Tool::"{id}");\n'
    ),
    (
        'permit (principal in Group::"g-{number:05}",\n'
        '  action == Action::"tools/call:{id}", resource)\n'
        'when {{ context.args has tags && context.args.tags.contains("{number}") }};\n'
    ),
)


def definition(number: int, *, text: str = _TEXT) -> dict[str, Any]:
    """The MCP tool of a number, about 1.5 KB of JSON."""
    return {
        "name": TOOL.format(number),
        "description": text,
        "inputSchema": {
            "type": "object",
            "properties": {
                "path": {"type": "string", "description": "Absolute path of what it is about"},
                "amount": {"type": "integer", "minimum": 0, "description": "How many"},
                "limit": {"anyOf": [{"type": "number"}, {"type": "null"}], "default": None},
                "tags": {"type": "array", "items": {"type": "string"}, "description": "Labels"},
                "options": {
                    "type": "object",
                    "properties": {"dry_run": {"type": "boolean"}, "mode": {"enum": ["a", "b"]}},
                },
            },
            "required": ["path"],
        },
        "annotations": {"readOnlyHint": number % 2 == 0, "destructiveHint": number % 4 == 1},
    }


def messages(count: int) -> Iterator[tool_service_pb2.RegisterToolsRequest]:
    """A registration of so many tools."""
    definitions = [
        tool_service_pb2.Definition(
            kind=tool_service_pb2.DEFINITION_KIND_TOOL,
            definition_json=json.dumps(definition(number)).encode(),
            requires=[_capability(number)],
        )
        for number in range(count)
    ]
    for start in range(0, count, _PER_MESSAGE):
        few = definitions[start : start + _PER_MESSAGE]
        yield tool_service_pb2.RegisterToolsRequest(definitions=few)


def source(folder: Path, *, servers: int, per_server: int = PER_SERVER, policies: int = 0) -> Path:
    """Makes a policy source about tools.

    Args:
        folder: Where it is to be.
        servers: How many MCP servers it declares.
        per_server: How many tools it declares of each; 0 for servers that register theirs.
        policies: How many policies are about them, beside governd's own.
    """
    for part in ("policies", "tools"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    ids = [
        f"{SERVER.format(server)}/{TOOL.format(number)}"
        for server in range(servers)
        for number in range(per_server)
    ]
    for server in range(servers):
        _write_server(folder, server, per_server)
    cedar = "".join(_policy(number, ids[number % len(ids)]) for number in range(policies))
    (folder / "policies" / "bench.cedar").write_text(cedar, encoding="utf-8")
    (folder / "grants.toml").write_text(_GRANTS, encoding="utf-8")
    (folder / "manifest.toml").write_text(_MANIFEST, encoding="utf-8")
    return folder


def _write_server(folder: Path, server: int, count: int) -> None:
    name = SERVER.format(server)
    tools = [{**definition(one), "requires": [_capability(one)]} for one in range(count)]
    declared = {
        "server": name,
        "spiffe_id": f"spiffe://{TRUST_DOMAIN}/agent/{name}",
        "tools": tools,
    }
    (folder / "tools" / f"{name}.json").write_text(json.dumps(declared), encoding="utf-8")


def _policy(number: int, tool: str) -> str:
    text = _POLICIES[number % len(_POLICIES)].format(id=tool, number=number)
    return f'@id("bench/{number:05}")\n{text}'


def _capability(number: int) -> str:
    return "bench:read" if number % 2 == 0 else "bench:write"
