"""The README runs as it is written, against a settable governd."""

import asyncio
import re
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.client.client import Client as McpClient
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.mcpserver import MCPServer
from mcp.shared._context_streams import create_context_streams
from mcp.shared.message import SessionMessage
from mcp.types import ListToolsResult, Tool

from governd_client import (
    AsyncClient,
    BoundRequest,
    Client,
    Evidence,
    EvidenceKind,
    TokenRejectedError,
    current_delegation,
)
from governd_client.http_auth import GoverndAuth
from governd_client.testing import FakeGovernd, FakeUpstream, permit, show_all

README = Path(__file__).parents[2] / "README.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", README.read_text(), re.DOTALL | re.MULTILINE)


@pytest.fixture
def example(socket: str, governd: FakeGovernd, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs an example with ``GOVERND_SOCKET`` set, and gives its names."""
    monkeypatch.setenv("GOVERND_SOCKET", socket)
    governd.rule = lambda _: permit()

    def run(index: int) -> dict[str, Any]:
        names: dict[str, Any] = {}
        exec(compile(EXAMPLES[index], str(README), "exec"), names)  # noqa: S102 - our own README
        return names

    return run


def test_asking(example: Any, governd: FakeGovernd, capsys: pytest.CaptureFixture[str]) -> None:
    example(0)
    printed = capsys.readouterr().out
    assert governd.spiffe_id in printed
    assert "go ahead" in printed
    assert len(governd.requests) == 4


def test_waiting(example: Any, governd: FakeGovernd, capsys: pytest.CaptureFixture[str]) -> None:
    example(1)
    assert f"{governd.spiffe_id} to None" in capsys.readouterr().out


def test_leases(example: Any, governd: FakeGovernd, capsys: pytest.CaptureFixture[str]) -> None:
    governd.lease = 5.0
    example(2)
    assert "Stats(" in capsys.readouterr().out
    assert [each.code for each in governd.reports[0].outcomes] == [1]


async def test_mcp_server(example: Any) -> None:
    server: Server[Any] = Server("git")
    before = len(server.middleware)
    assert len(example(3)["governed"](server, "spiffe://example.org/a").middleware) == before + 1


@pytest.mark.req("sdk-4", part=True)
async def test_tools(example: Any, governd: FakeGovernd, connect_mcp: Any) -> None:
    names = example(4)
    async with AsyncClient() as client:
        registration = names["governed"](client, "spiffe://example.org/agent/reader")
        governd.shows = show_all
        async with connect_mcp(names["server"]._lowlevel_server, "2026-07-28") as send:
            [listed] = (await send("tools/list"))["result"]["tools"]
    assert listed["name"] == "git_log"
    [registered] = governd.registrations
    assert list(registered.definitions[0].requires) == ["git:read"]
    assert registration.result.active == 1


async def test_a_proxy_passes_on_that_the_server_behind_it_tells_of_a_change(
    example: Any, governd: FakeGovernd
) -> None:
    behind: Server[Any] = Server("git", on_list_tools=changing_tools)
    async with AsyncExitStack() as stack:
        to_behind, from_proxy = create_context_streams[SessionMessage | Exception](8)
        to_proxy, from_behind = create_context_streams[SessionMessage | Exception](8)
        for each in (to_behind, from_proxy, to_proxy, from_behind):
            stack.push_async_callback(each.aclose)
        group = await stack.enter_async_context(anyio.create_task_group())
        stack.callback(group.cancel_scope.cancel)
        group.start_soon(behind.run, from_proxy, to_proxy, behind.create_initialization_options())
        upstream = example(5)["Upstream"](from_behind, to_behind, AsyncClient())
        await stack.enter_async_context(upstream.session)
        await upstream.session.initialize()
        with anyio.fail_after(5):
            while len(governd.registrations) < 2:
                await upstream.registration.hold(upstream.session.list_tools)
                await asyncio.sleep(0.01)


async def changing_tools(ctx: ServerRequestContext[Any, Any], params: object) -> ListToolsResult:
    """Is different each time, and says so."""
    await ctx.session.send_tool_list_changed()
    return ListToolsResult(
        tools=[Tool(name=f"a{time.monotonic_ns()}", input_schema={"type": "object"})]
    )


async def test_an_agents_own_tools(example: Any, governd: FakeGovernd) -> None:
    server: MCPServer[Any] = MCPServer("git", log_level="ERROR")
    server.tool(name="git_log")(lambda: None)
    server.tool(name="git_reset")(lambda: None)
    governd.shows = lambda _: [0]
    async with McpClient(server) as mcp:
        tools = await example(6)["my_tools"](mcp.session)
    assert [each.name for each in tools] == ["git_log"]


def test_grpc_server(example: Any) -> None:
    assert example(7)["interceptor"]


@pytest.mark.req("gi-3", part=True)
def test_acting_for_a_user(
    example: Any, governd: FakeGovernd, capsys: pytest.CaptureFixture[str]
) -> None:
    governd.mints, agent = (lambda _: True), governd.spiffe_id
    sending, server = example(8), example(9)
    with Client() as client:
        headers = list(sending["by_hand"](client, "secret.id.token").items())
        assert server["handle"](client, headers, b"{}", agent).startswith("alice through 1: ")
        with pytest.raises(TokenRejectedError):
            server["handle"](client, headers, b"{}", agent)
        assert server["interceptor"](client)
        assert sending["calling"](client, "secret.id.token").event_hooks["request"]
    assert "refused: REPLAYED" in capsys.readouterr().out


@pytest.mark.req("gi-3", part=True)
async def test_a_server_on_asgi(example: Any, governd: FakeGovernd) -> None:
    governd.mints, agent = (lambda _: True), governd.spiffe_id
    answers: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        delegation = current_delegation()
        await send({"type": "ran for", "user": delegation.user if delegation else None})

    async def receive() -> Any:
        return {"type": "http.request", "body": b"{}"}

    async def send(message: Any) -> None:
        answers.append(message)

    names = example(10)
    governed = names["governed"](app, lambda _: agent)
    async with AsyncClient() as client:
        request = BoundRequest.of("POST", "https://tools.example.org/search", b"{}")
        login = Evidence(EvidenceKind.ID_TOKEN, "secret.id.token")
        token = await client.delegation.mint(names["SELF"], login, request=request)
    scope = {"type": "http", "method": "POST", "path": "/search", "raw_path": b"/search"}
    headers = [(b"acting-as-token", token.token.encode())]
    await governed({**scope, "headers": headers}, receive, send)
    await governed({**scope, "headers": []}, receive, send)
    assert answers[0] == {"type": "ran for", "user": "alice"}
    assert answers[1]["status"] == 401


def test_access_to_upstreams(
    example: Any, governd: FakeGovernd, capsys: pytest.CaptureFixture[str]
) -> None:
    resource = "https://crm.example.org/mcp"
    governd.upstreams = {
        "crm": FakeUpstream(resource=resource, scopes=("read", "write"), for_user=True),
        "jobs": FakeUpstream(audience="jobs"),
    }
    names = example(11)
    with Client() as client:
        assert names["by_hand"](client, "secret.id.token") == {"Authorization": "Bearer fake.crm.1"}
        assert f"for ('read',) at {resource}" in capsys.readouterr().out
        assert names["as_myself"](client) == {"Authorization": "Bearer fake.jobs.2"}
        assert names["in_words_of_the_standard"](client, "secret.id.token") == "fake.crm.3"
        with names["calling"](client, "secret.id.token") as http:
            assert isinstance(http.auth, GoverndAuth)


def test_every_example_is_run() -> None:
    assert len(EXAMPLES) == 12
