"""Second looks at the tools that a policy source declares."""

import json
from collections.abc import Iterator

from governd.errors import Problem
from governd.policy.bundle import PolicySource
from governd.policy.tools import Tool
from governd.policy.unsafe_schema import unsafe_parts

_SCHEMAS = ("inputSchema", "outputSchema")


def tool_problems(source: PolicySource) -> Iterator[Problem]:
    """What is odd about declared tools."""
    for server in source.servers.values():
        for tool in server.tools.values():
            for said in _tool(tool):
                yield Problem(f"tools ({tool.server})", 0, f"{tool.name}: {said}")


def registers_tools(source: PolicySource) -> bool:
    """Whether a server is declared without tools, and so has some that nobody knows yet."""
    return any(not server.tools for server in source.servers.values())


def _tool(tool: Tool) -> Iterator[str]:
    if not tool.requires:
        yield "requires nothing, so only policies that name it permit it"
    if not tool.hints.model_fields_set:
        yield "has no annotations, so it counts as destructive and open-world"
    for path in tool.parameters.untyped:
        yield f"argument {path} cannot be typed and counts as undeclared"
    stated = json.loads(tool.stated or "{}")
    for path in unsafe_parts({name: stated[name] for name in _SCHEMAS if name in stated}):
        yield f"{path} is unsafe, so it is quarantined when it is registered"
