"""An MCP proxy in front of a published MCP server, governed by governd's middleware.

The server behind it, ``mcp-server-git``, knows nothing of governd. What it lists is
registered, each agent is shown what it may call, and each call is decided.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from mcp import ClientSession
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.types import (
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    ToolListChangedNotification,
)

from demo.serving import serve
from governd_client import AsyncClient
from governd_client.mcp import PolicyMiddleware, ToolRegistration


async def main(arguments: Sequence[str]) -> None:
    """Connects to the server behind, then serves each agent's socket."""
    options = _parser().parse_args(arguments)
    command = StdioServerParameters(
        command=sys.executable, args=["-m", "mcp_server_git", "--repository", options.repository]
    )
    async with AsyncExitStack() as stack:
        read, write = await stack.enter_async_context(stdio_client(command))
        governd = await stack.enter_async_context(AsyncClient())  # from GOVERND_SOCKET

        async def heard(message: object) -> None:
            if isinstance(message, ToolListChangedNotification):
                registration.changed()

        upstream = ClientSession(read, write, message_handler=heard)
        registration = ToolRegistration(governd, source=upstream)
        await stack.enter_async_context(upstream)
        await upstream.initialize()
        served = (
            serve(_server(agent, upstream, governd, registration), options.directory, agent)
            for agent in options.agent
        )
        await asyncio.gather(registration.run(), *served)


def _server(
    agent: str, upstream: ClientSession, governd: AsyncClient, registration: ToolRegistration
) -> Server[object]:
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
    server.middleware.append(
        PolicyMiddleware(governd, server="git", caller=lambda _: agent, registration=registration)
    )
    return server


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repository", required=True, help="git repository to serve")
    parser.add_argument("--directory", required=True, type=Path, help="where sockets go")
    parser.add_argument("--agent", action="append", required=True, help="SPIFFE ID of an agent")
    return parser


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
