"""An MCP proxy in front of a published MCP server, governed by governd's middleware.

The server behind it, ``mcp-server-git``, knows nothing of governd. Agents reach the
proxy over Streamable HTTP, each on a Unix socket of its own: which socket a request came
in on says who calls, and no message can change that.
"""

import argparse
import asyncio
import os
import socket
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import uvicorn
from mcp import ClientSession
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.server.transport_security import TransportSecuritySettings
from mcp.types import (
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
)
from starlette.applications import Starlette

from governd_client import AsyncClient
from governd_client.mcp import PolicyMiddleware

# A Unix socket cannot be reached by a web page, so there is no host name to rebind.
_SECURITY = TransportSecuritySettings(enable_dns_rebinding_protection=False)


async def main(arguments: Sequence[str]) -> None:
    """Connects to the server behind, then serves each agent's socket."""
    options = _parser().parse_args(arguments)
    command = StdioServerParameters(
        command=sys.executable, args=["-m", "mcp_server_git", "--repository", options.repository]
    )
    async with AsyncExitStack() as stack:
        read, write = await stack.enter_async_context(stdio_client(command))
        upstream = await stack.enter_async_context(ClientSession(read, write))
        await upstream.initialize()
        governd = await stack.enter_async_context(AsyncClient())  # from GOVERND_SOCKET
        served = [_serve(agent, options.directory, upstream, governd) for agent in options.agent]
        await asyncio.gather(*served)


async def _serve(
    agent: str, directory: Path, upstream: ClientSession, governd: AsyncClient
) -> None:
    path = directory / f"{agent.rpartition('/')[2]}.sock"
    config = uvicorn.Config(_app(agent, upstream, governd), log_level="warning", ws="none")
    with _bound(path) as listening:
        await uvicorn.Server(config).serve(sockets=[listening])


def _bound(path: Path) -> socket.socket:
    """A listening socket that only its owner may open: it is the agent's identity."""
    listening = socket.socket(socket.AF_UNIX)
    mask = os.umask(0o177)
    try:
        listening.bind(str(path))
    finally:
        os.umask(mask)
    listening.listen()
    return listening


def _app(agent: str, upstream: ClientSession, governd: AsyncClient) -> Starlette:
    """The proxy as one agent meets it."""

    async def list_tools(
        _: ServerRequestContext[object], params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        # Not params itself: its _meta belongs to this connection's revision of MCP.
        cursor = params.cursor if params is not None else None
        return await upstream.list_tools(params=PaginatedRequestParams(cursor=cursor))

    async def call_tool(
        _: ServerRequestContext[object], params: CallToolRequestParams
    ) -> CallToolResult:
        return await upstream.call_tool(params.name, params.arguments)

    server = Server("git", on_list_tools=list_tools, on_call_tool=call_tool)
    server.middleware.append(PolicyMiddleware(governd, server="git", caller=lambda _: agent))
    return server.streamable_http_app(json_response=True, transport_security=_SECURITY)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repository", required=True, help="git repository to serve")
    parser.add_argument("--directory", required=True, type=Path, help="where sockets go")
    parser.add_argument("--agent", action="append", required=True, help="SPIFFE ID of an agent")
    return parser


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
