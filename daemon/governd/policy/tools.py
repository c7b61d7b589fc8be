"""MCP tools as the policy source declares them.

A file holds what the server's own ``tools/list`` answers (MCP 2025-06-18 and later),
with the server's name and SPIFFE ID around it and, per tool, what the tool
``requires``. Hints follow MCP: without them a tool counts as destructive and
open-world. They are trusted here because the policy's author put them in, not because a
server said so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from governd.identity import SpiffeId
from governd.policy.parameters import Record, quote, read_parameters, render

CALL = "tools/call"

ServerName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
ToolName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_./-]{1,128}$")]
Capability = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$")]


class Hints(BaseModel):
    """MCP's tool annotations, with MCP's defaults."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    read_only: bool = Field(default=False, alias="readOnlyHint")
    destructive: bool = Field(default=True, alias="destructiveHint")
    idempotent: bool = Field(default=False, alias="idempotentHint")
    open_world: bool = Field(default=True, alias="openWorldHint")


class ToolEntry(BaseModel):
    """One tool in a file."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: ToolName
    input_schema: dict[str, Any] = Field(default_factory=dict, alias="inputSchema")
    annotations: Hints | None = None
    requires: tuple[Capability, ...] = ()


class ServerFile(BaseModel):
    """``tools/<file>.json``: one MCP server and its tools."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    server: ServerName
    spiffe_id: str
    tools: tuple[ToolEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class Tool:
    """A declared tool.

    Attributes:
        id: ``<server>/<name>``.
        name: As the server calls it.
        server: The name of its server.
        requires: Capabilities that a caller needs.
        hints: What a call may do.
        parameters: The types of its arguments.
    """

    id: str
    name: str
    server: str
    requires: tuple[str, ...]
    hints: Hints
    parameters: Record

    @property
    def destructive(self) -> bool:
        """Whether a call may destroy something."""
        return self.hints.destructive and not self.hints.read_only

    @property
    def action(self) -> str:
        """Id of the Cedar action that is a call of this tool."""
        return f"{CALL}:{self.id}"

    def schema(self) -> str:
        """The action's declaration in Cedar's schema syntax."""
        return (
            f'action {quote(self.action)} in ["{CALL}"] appliesTo {{'
            " principal: [Agent], resource: [Tool],"
            f" context: {{ args: {render(self.parameters)},"
            " args_undeclared: Bool, delegated: Bool } };"
        )


@dataclass(frozen=True, slots=True)
class Server:
    """A declared MCP server.

    Attributes:
        name: How policies and questions call it.
        spiffe_id: Who it is; it may ask about the calls it receives.
        tools: Its tools by name.
    """

    name: str
    spiffe_id: SpiffeId
    tools: Mapping[str, Tool] = field(default_factory=dict)


def read_server(entry: ServerFile) -> tuple[Server, list[str]]:
    """A server with its tools, and what is wrong with them.

    Raises:
        RequestError: The SPIFFE ID is malformed.
    """
    tools: dict[str, Tool] = {}
    problems: list[str] = []
    for tool in entry.tools:
        if tool.name in tools:
            problems.append(f"tools: {tool.name} is declared twice")
        tools[tool.name] = _tool(entry.server, tool)
    return Server(entry.server, SpiffeId.parse(entry.spiffe_id), tools), problems


def _tool(server: str, entry: ToolEntry) -> Tool:
    return Tool(
        id=f"{server}/{entry.name}",
        name=entry.name,
        server=server,
        requires=tuple(sorted(set(entry.requires))),
        hints=entry.annotations or Hints(),
        parameters=read_parameters(entry.input_schema),
    )
