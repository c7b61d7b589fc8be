"""An agent: a real MCP client that calls tools and says what came of it.

It holds no credential. What it may do is decided where its calls arrive.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

Hook = Callable[[httpx2.Request], Awaitable[None]]


@dataclass(frozen=True)
class Outcome:
    """What came of a call.

    Attributes:
        allowed: Whether the server carried it out.
        text: What it answered, or how it refused.
        decision_id: Of the decision that refused it.
    """

    allowed: bool
    text: str
    decision_id: str = ""


@dataclass(frozen=True)
class Agent:
    """An agent, connected to the MCP server.

    Attributes:
        name: For people.
        client: Its MCP client.
    """

    name: str
    client: Client

    async def tools(self) -> list[str]:
        """The names of the tools that the server lists."""
        return [tool.name for tool in (await self.client.list_tools()).tools]

    async def call(self, tool: str, **arguments: object) -> Outcome:
        """Calls a tool."""
        try:
            result = await self.client.call_tool(tool, arguments)
        except MCPError as error:
            data = error.data if isinstance(error.data, dict) else {}
            return Outcome(
                allowed=False, text=error.message, decision_id=data.get("decision_id", "")
            )
        texts = [getattr(item, "text", "") for item in result.content]
        return Outcome(allowed=not result.is_error, text="\n".join(texts))


@asynccontextmanager
async def connected(name: str, socket: Path, hooks: Sequence[Hook] = ()) -> AsyncIterator[Agent]:
    """An agent whose MCP client is connected through a Unix socket.

    Args:
        name: For people.
        socket: The server's, for this agent.
        hooks: Called with each request of HTTP before it is sent.
    """
    transport = httpx2.AsyncHTTPTransport(uds=str(socket))
    async with (
        httpx2.AsyncClient(
            transport=transport, timeout=30, event_hooks={"request": list(hooks)}
        ) as http,
        Client(streamable_http_client("http://localhost/mcp", http_client=http)) as client,
    ):
        yield Agent(name, client)
