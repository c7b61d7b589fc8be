"""``x-mcp-header``: what the SDK checks before any middleware must not tell what is hidden.

Requests go to the SDK's own HTTP application, in memory.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx2
import mcp_types as types
import pytest
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from pydantic import Field

from governd_client import AsyncClient
from governd_client._proto.governd.v1 import policy_service_pb2
from governd_client.mcp import INVALID_PARAMS, PolicyMiddleware, ignore_parameter_headers
from governd_client.testing import FakeGovernd, deny, permit, show_all

Token = Annotated[str, Field(json_schema_extra={"x-mcp-header": "Token"})]
AGENT = "spiffe://example.org/agent/reader"
HEADER_MISMATCH = -32020
SCHEMA = {
    "type": "object",
    "properties": {"token": {"type": "string", "x-mcp-header": "Token"}},
}
SECURITY = TransportSecuritySettings(enable_dns_rebinding_protection=False)
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}


def govern(server: Any, governd: FakeGovernd) -> Any:
    client = AsyncClient(port=governd.async_port())
    server.middleware.append(PolicyMiddleware(client, server="git", caller=lambda _: AGENT))
    return server


def plain(governd: FakeGovernd) -> Server[Any]:
    async def tools(ctx: ServerRequestContext[Any, Any], params: object) -> Any:
        return types.ListToolsResult(tools=[types.Tool(name="there", input_schema=SCHEMA)])

    async def call(ctx: ServerRequestContext[Any, Any], params: object) -> Any:
        return types.CallToolResult(content=[types.TextContent(type="text", text="done")])

    server: Server[Any] = govern(Server("git", on_list_tools=tools, on_call_tool=call), governd)
    return server


def ergonomic(governd: FakeGovernd) -> MCPServer[Any]:
    """An ``MCPServer`` whose tool ``there`` wants its argument in a header."""
    server: MCPServer[Any] = govern(MCPServer("git", log_level="ERROR"), governd)

    @server.tool(name="there")
    def there(token: Token) -> str:
        return "done"

    return server


def hides(asked: policy_service_pb2.EvaluateRequest) -> Any:
    if asked.action.name == "tools/list":
        return permit()
    exists = asked.resource.id == "git/there"
    return deny(code=2 if exists else 5, hidden=exists)


@asynccontextmanager
async def served(server: Any, *, ignoring: bool = True) -> AsyncIterator[Any]:
    """Sends a call of a tool with an argument, without the header; returns the answer."""
    app = server.streamable_http_app(json_response=True, transport_security=SECURITY)
    if ignoring:
        ignore_parameter_headers(server)
    transport = httpx2.ASGITransport(app)

    async def call(name: str) -> Any:
        headers = {
            "accept": "application/json, text/event-stream",
            "mcp-protocol-version": "2026-07-28",
            "mcp-method": "tools/call",
            "mcp-name": name,
        }
        params = {"name": name, "arguments": {"token": "x"}, "_meta": META}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        response = await client.post("http://localhost/mcp", json=body, headers=headers)
        return response.json()

    async with server.session_manager.run(), httpx2.AsyncClient(transport=transport) as client:
        yield call


@pytest.mark.parametrize(("build", "ignoring"), [(plain, False), (plain, True), (ergonomic, True)])
async def test_a_hidden_tool_with_a_header_is_refused_as_one_that_does_not_exist(
    governd: FakeGovernd, build: Any, ignoring: bool
) -> None:
    governd.rule = hides
    async with served(build(governd), ignoring=ignoring) as call:
        there, where = await call("there"), await call("where")
    assert there["error"]["code"] == INVALID_PARAMS
    assert str(there).replace("there", "where") == str(where)


@pytest.mark.parametrize("build", [plain, ergonomic])
async def test_a_permitted_tool_is_called_as_it_is_listed_without_a_header(
    governd: FakeGovernd, build: Any
) -> None:
    governd.rule, governd.shows = lambda _: permit(), show_all
    async with served(build(governd)) as call:
        answer = await call("there")
    assert answer["result"]["content"][0]["text"] == "done"
    assert [each.action.name for each in governd.requests] == ["tools/call"], "asked once"


async def test_an_mcpserver_that_heeds_headers_tells_that_a_hidden_tool_exists(
    governd: FakeGovernd,
) -> None:
    """Why ``ignore_parameter_headers`` is there: the SDK refuses before any middleware runs."""
    governd.rule = hides
    async with served(ergonomic(governd), ignoring=False) as call:
        assert (await call("there"))["error"]["code"] == HEADER_MISMATCH
        assert (await call("where"))["error"]["code"] == INVALID_PARAMS


def test_an_mcpserver_without_an_http_application_is_told(governd: FakeGovernd) -> None:
    with pytest.raises(RuntimeError, match="streamable_http_app"):
        ignore_parameter_headers(ergonomic(governd))
