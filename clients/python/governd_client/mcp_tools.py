"""How a server built with the MCP SDK says what its tools require.

What a tool requires travels in its ``_meta``, as ``{"io.governd/requires": [capabilities]}``,
so that a server in any language can say it. It is added to what the policy requires and never
takes anything from that.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, TypeVar

from mcp.server.lowlevel import Server
from mcp.server.mcpserver import MCPServer

REQUIRES: Final = "io.governd/requires"
"""The member of a tool's ``_meta``."""

F = TypeVar("F", bound=Callable[..., Any])


def requires(*capabilities: str) -> dict[str, Any]:
    """A tool's ``_meta`` that says what a caller needs, for ``meta=`` of the SDK.

    Raises:
        ValueError: A capability is empty.
    """
    if not all(capabilities):
        message = "capabilities: expected text, for example 'git:read'"
        raise ValueError(message)
    return {REQUIRES: sorted(set(capabilities))}


def governed_tool(
    server: MCPServer[Any],
    *,
    capabilities: Collection[str],
    meta: Mapping[str, Any] | None = None,
    **options: Any,  # noqa: ANN401 - those of MCPServer.tool
) -> Callable[[F], F]:
    """Registers a function as a tool that a caller needs capabilities for.

    Stands in the place of ``server.tool``: the SDK tells a tool's ``_meta`` when the tool is
    added and nobody can change it later, so that a mark on the function would reach no one.

    Args:
        server: Gets the tool.
        capabilities: What a caller needs.
        meta: Further members of the tool's ``_meta``.
        options: Whatever else ``server.tool`` takes.

    Raises:
        TypeError: ``capabilities`` is one text in the place of several.
        ValueError: A capability is empty, or ``meta`` says what it requires, too.
    """
    if isinstance(capabilities, str):
        message = f"capabilities: expected a collection, for example {{{capabilities!r}}}"
        raise TypeError(message)
    if meta is not None and REQUIRES in meta:
        message = f"meta: {REQUIRES} is what capabilities= is for"
        raise ValueError(message)
    return server.tool(meta={**(meta or {}), **requires(*capabilities)}, **options)


def ignore_parameter_headers(server: Server[Any] | MCPServer[Any]) -> None:
    """Has an HTTP server read arguments from the body alone, as all that is listed says.

    The SDK compares ``Mcp-Param-*`` headers to the body before any middleware runs. By what it
    answers then, a caller could tell that a hidden tool exists; and a tool whose
    ``x-mcp-header`` the middleware does not show could not be called. Of an ``MCPServer``,
    call ``streamable_http_app`` first.

    Raises:
        RuntimeError: Of an ``MCPServer``, there is no HTTP application yet.
    """
    app = server.session_manager.app if isinstance(server, MCPServer) else server
    app.get_tool_input_schema = lambda _name: None
