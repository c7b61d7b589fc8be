"""What a tool requires travels in its ``_meta``."""

import asyncio
from typing import Any

import pytest
from mcp.server.mcpserver import Context, MCPServer

from governd_client.mcp import governed_tool, requires


@pytest.fixture
def server() -> MCPServer[Any]:
    return MCPServer("git", log_level="ERROR")


async def test_a_governed_tool_says_what_it_requires_in_its_meta(server: MCPServer[Any]) -> None:
    @governed_tool(server, capabilities={"git:write", "git:read"})
    def git_commit(message: str) -> str:
        """Commits."""
        return message

    [listed] = await server.list_tools()
    assert (listed.name, listed.description) == ("git_commit", "Commits.")
    assert listed.meta == {"io.governd/requires": ["git:read", "git:write"]}
    assert git_commit("fix") == "fix", "the function stays what it is"


async def test_it_takes_whatever_the_sdk_takes(server: MCPServer[Any]) -> None:
    @governed_tool(server, capabilities=["git:read"], name="log", title="Log", meta={"x": 1})
    async def git_log(context: Context[Any]) -> str:
        await asyncio.sleep(0)
        return context.request_id

    [listed] = await server.list_tools()
    assert (listed.name, listed.title) == ("log", "Log")
    assert listed.meta == {"x": 1, "io.governd/requires": ["git:read"]}
    assert "context" not in str(listed.input_schema)


async def test_a_tool_may_require_nothing(server: MCPServer[Any]) -> None:
    governed_tool(server, capabilities=())(print_nothing)
    [listed] = await server.list_tools()
    assert listed.meta == {"io.governd/requires": []}


def print_nothing() -> None:
    """Prints nothing."""


def test_one_text_is_no_collection(server: MCPServer[Any]) -> None:
    with pytest.raises(TypeError, match="'git:read'"):
        governed_tool(server, capabilities="git:read")


@pytest.mark.parametrize("capabilities", [[""], ["git:read", ""]])
def test_an_empty_capability_is_none(server: MCPServer[Any], capabilities: list[str]) -> None:
    with pytest.raises(ValueError, match="capabilities"):
        governed_tool(server, capabilities=capabilities)
    with pytest.raises(ValueError, match="capabilities"):
        requires(*capabilities)


def test_what_a_tool_requires_is_said_in_one_place(server: MCPServer[Any]) -> None:
    with pytest.raises(ValueError, match="requires"):
        governed_tool(server, capabilities=["a"], meta=requires("b"))
