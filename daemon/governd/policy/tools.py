"""MCP tools as the policy source declares them.

A file holds what the server's own ``tools/list`` answers (MCP 2025-06-18 and later),
with the server's name and SPIFFE ID around it and, per tool, what the tool
``requires``. Hints follow MCP: without them a tool counts as destructive and
open-world. They are trusted here because the policy's author put them in, not because a
server said so; those of tools that only the server declares count where the file says
``trust_annotations``.

What a file states of a tool's definition, the server is held to when it registers it:
each member stated, or with ``pin`` the whole, by its digest.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import rfc8785
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from governd.identity import SpiffeId
from governd.policy.argument_types import Record, quote, render
from governd.policy.input_schema import read_parameters

CALL = "tools/call"

ServerName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
ToolName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_./-]{1,128}$")]
CAPABILITY = r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$"
Capability = Annotated[str, StringConstraints(pattern=CAPABILITY)]
Digest = Annotated[str, StringConstraints(pattern=r"^sha-256:[0-9a-f]{64}$")]


class Hints(BaseModel):
    """MCP's tool annotations, with MCP's defaults."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    read_only: bool = Field(default=False, alias="readOnlyHint")
    destructive: bool = Field(default=True, alias="destructiveHint")
    idempotent: bool = Field(default=False, alias="idempotentHint")
    open_world: bool = Field(default=True, alias="openWorldHint")


NO_HINTS = Hints()
"""What counts where nothing is said."""


class _Annotations(Hints):
    """The same, with all else that is said."""

    model_config = ConfigDict(extra="allow", frozen=True)

    def said(self) -> dict[str, Any]:
        return self.model_dump(by_alias=True, exclude_unset=True)


class ToolEntry(BaseModel):
    """One tool in a file."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: ToolName
    description: str | None = None
    input_schema: dict[str, Any] | None = Field(default=None, alias="inputSchema")
    output_schema: dict[str, Any] | None = Field(default=None, alias="outputSchema")
    annotations: _Annotations | None = None
    requires: tuple[Capability, ...] = ()
    pin: Digest | None = None


class ServerFile(BaseModel):
    """``tools/<file>.json``: one MCP server and its tools."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    server: ServerName
    spiffe_id: str
    tools: tuple[ToolEntry, ...] = ()
    trust_annotations: bool = Field(default=False, strict=True)


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool.

    Attributes:
        id: ``<server>/<name>``.
        name: As the server calls it.
        server: The name of its server.
        requires: Capabilities that a caller needs.
        hints: What a call may do.
        parameters: The types of its arguments.
        declared: Whether the policy source declares it; policies about its arguments are
            typed only then.
        pin: The digest of the only definition that the policy source accepts; ``""``
            where it names none.
        stated: What the policy source states of its definition beside name and
            annotations, in canonical form (RFC 8785); ``""`` for nothing.
        annotations: What it states of these, likewise.
    """

    id: str
    name: str
    server: str
    requires: tuple[str, ...]
    hints: Hints
    parameters: Record
    declared: bool = True
    pin: str = ""
    stated: str = ""
    annotations: str = ""

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
            " args_undeclared: Bool, delegated: Bool, delegation?: Delegation,"
            " kya?: KnownCard, kya_level: Long } };"
        )


@dataclass(frozen=True, slots=True)
class Server:
    """A declared MCP server. Immutable but for its cache.

    Attributes:
        name: How policies and questions call it.
        spiffe_id: Who it is; it may ask about the calls it receives.
        tools: Its tools by name.
        trust_annotations: Whether its own word counts for what the tools may do that only
            it declares.
        cache: What was found out of it, by what asked.
    """

    name: str
    spiffe_id: SpiffeId
    tools: Mapping[str, Tool] = field(default_factory=dict)
    trust_annotations: bool = False
    cache: dict[object, Any] = field(default_factory=dict, compare=False, repr=False)


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
        try:
            tools[tool.name] = _tool(entry.server, tool)
        except (rfc8785.CanonicalizationError, RecursionError) as error:
            problems.append(f"tools: {tool.name} has no canonical form: {error}")
    spiffe_id = SpiffeId.parse(entry.spiffe_id)
    return Server(entry.server, spiffe_id, tools, entry.trust_annotations), problems


def _tool(server: str, entry: ToolEntry) -> Tool:
    annotations = entry.annotations.said() if entry.annotations else {}
    return Tool(
        id=f"{server}/{entry.name}",
        name=entry.name,
        server=server,
        requires=tuple(sorted(set(entry.requires))),
        hints=Hints.model_validate(annotations) if annotations else NO_HINTS,
        parameters=read_parameters(entry.input_schema),
        pin=entry.pin or "",
        stated=_stated(entry),
        annotations=rfc8785.dumps(annotations).decode() if annotations else "",
    )


def _stated(entry: ToolEntry) -> str:
    members = {
        "description": entry.description,
        "inputSchema": entry.input_schema,
        "outputSchema": entry.output_schema,
    }
    stated = {name: member for name, member in members.items() if member is not None}
    return rfc8785.dumps(stated).decode() if stated else ""
