"""What is registered comes from the server itself, or from the one behind a proxy."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from mcp.client.client import Client as McpClient
from mcp.server.mcpserver import MCPServer

from governd_client import AsyncClient
from governd_client.mcp import PolicyMiddleware, ToolRegistration, governed_tool
from governd_client.mcp_registration import REFRESH_SECONDS
from governd_client.testing import FakeGovernd, permit, show_all, status_of

READER = "spiffe://example.org/agent/reader"
MODERN = "2026-07-28"
REVISIONS = ["2025-06-18", "2025-11-25", MODERN]
Connect = Callable[..., Any]


class Clock:
    """Seconds, as a test sets them."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def taken(governd: FakeGovernd, index: int = -1) -> list[tuple[str, list[str]]]:
    """Names and requirements of a registration."""
    return [
        (json.loads(each.definition_json)["name"], list(each.requires))
        for each in governd.registrations[index].definitions
    ]


def ergonomic() -> MCPServer[Any]:
    """A server built with decorators."""
    server: MCPServer[Any] = MCPServer("git", log_level="ERROR")

    @governed_tool(server, capabilities={"git:read"}, description="Shows the log")
    def git_log(repo: str, count: int | None = None) -> dict[str, int]:
        return {repo: count or 0}

    @server.resource("file:///README", name="readme")
    def readme() -> str:
        return "Read me"

    @server.resource("file:///{name}", name="file")
    def file(name: str) -> str:
        return name

    @server.prompt()
    def review(change: str) -> str:
        return change

    return server


def govern(server: MCPServer[Any], client: AsyncClient, registration: ToolRegistration) -> Any:
    server.middleware.append(
        PolicyMiddleware(client, server="git", caller=lambda _: READER, registration=registration)
    )
    return server._lowlevel_server


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - of a task
            await asyncio.sleep(0)


@pytest.mark.req("sdk-4", part=True)
@pytest.mark.parametrize("revision", REVISIONS)
async def test_a_server_registers_itself_before_anybody_asks_and_lists_just_that(
    governd: FakeGovernd, connect_mcp: Connect, revision: str
) -> None:
    governd.rule, governd.shows = lambda _: permit(), show_all
    server, client = ergonomic(), AsyncClient(port=governd.async_port())
    registration = ToolRegistration(client, server="git", source=server)
    running = asyncio.create_task(registration.run())
    await until(lambda: registration.result is not None)
    assert taken(governd) == [
        ("git_log", ["git:read"]),
        ("review", []),
        ("file", []),
        ("readme", []),
    ]
    async with connect_mcp(govern(server, client, registration), revision) as send:
        for method in ("tools", "resources", "resources/templates", "prompts"):
            [entries] = [
                each
                for each in (await send(f"{method}/list"))["result"].values()
                if isinstance(each, list)
            ]
            assert len(entries) == 1
    assert len(governd.registrations) == 1, "each revision lists the very definitions"
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def test_a_tool_that_is_gone_from_its_source_is_not_offered_any_more(
    governd: FakeGovernd, clock: Clock, connect_mcp: Connect
) -> None:
    governd.rule, governd.shows = lambda _: permit(), show_all
    server, client = ergonomic(), AsyncClient(port=governd.async_port())
    registration = ToolRegistration(client, server="git", source=server, clock=clock)
    async with connect_mcp(govern(server, client, registration), MODERN) as send:
        await send("tools/list")
        server.remove_tool("git_log")
        clock.now += REFRESH_SECONDS
        await send("tools/list")
    assert [name for name, _ in taken(governd)] == ["review", "file", "readme"]


async def test_running_outlives_a_governd_that_is_away_and_a_policy_that_knows_nothing(
    governd: FakeGovernd, monkeypatch: pytest.MonkeyPatch
) -> None:
    statuses = [
        status_of("UNAVAILABLE", "DRAINING"),
        status_of("UNIMPLEMENTED"),
        status_of("FAILED_PRECONDITION", "SERVER_UNKNOWN"),
    ]
    clock = Clock()
    pauses: list[float] = []
    plain_sleep = asyncio.sleep

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        clock.now += seconds
        await plain_sleep(0)

    monkeypatch.setattr("governd_client.mcp_registration.asyncio.sleep", sleep)
    client = AsyncClient(port=governd.async_port())
    registration = ToolRegistration(client, source=ergonomic(), clock=clock)
    governd.refusals["RegisterTools"] = statuses.pop()
    running = asyncio.create_task(registration.run())
    while registration.result is None:
        await plain_sleep(0)
        if statuses:
            governd.refusals["RegisterTools"] = statuses.pop()
        else:
            governd.refusals.clear()
    await until(lambda: len(governd.registrations) == 3)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    assert max(pauses) == REFRESH_SECONDS


async def test_a_proxy_registers_what_the_server_behind_it_lists(governd: FakeGovernd) -> None:
    async with McpClient(ergonomic()) as upstream:
        for source in (upstream, upstream.session):
            client = AsyncClient(port=governd.async_port())
            registration = ToolRegistration(client, source=source)
            running = asyncio.create_task(registration.run())
            await until(lambda: registration.result is not None)  # noqa: B023 - in this turn
            assert [name for name, _ in taken(governd)] == ["git_log", "review", "file", "readme"]
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
