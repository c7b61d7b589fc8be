"""MCP servers take tokens out of requests, show them to policy and act in their name."""

from collections.abc import Callable
from typing import Any

import mcp_types as types
import pytest
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server

from governd_client import Acceptance, AsyncClient, Binding, BoundRequest, current_delegation
from governd_client._proto.governd.v1 import tool_service_pb2
from governd_client.evidence import Evidence, EvidenceKind
from governd_client.mcp import DENIED, UNDECIDED, PolicyMiddleware
from governd_client.mcp_delegation import _arrived
from governd_client.testing import FakeGovernd, deny, permit, status_of

AGENT = "spiffe://example.org/agent/writer"
SERVER = "spiffe://example.org/mcp/git"
REVISIONS = ["2025-06-18", "2025-11-25", "2026-07-28"]
STDIO = Acceptance(origin="", least_binding=Binding.CALLER)
LOGIN = Evidence(EvidenceKind.ID_TOKEN, "secret.id.token")
FILTER = tool_service_pb2.FilterToolsRequest
Connect = Callable[..., Any]


class Git:
    """An MCP server whose tool says in whose name it is called."""

    def __init__(self, governd: FakeGovernd, connect: Connect) -> None:
        self.client = AsyncClient(port=governd.async_port())
        self.server: Server[Any] = Server("git", on_call_tool=self._call, on_list_tools=self._tools)
        self.connect = connect
        self.ran = 0

    def taking(self, took: Acceptance) -> Any:
        self.server.middleware.append(
            PolicyMiddleware(self.client, server="git", caller=lambda _: AGENT, delegation=took)
        )
        return self.connect(self.server, "2026-07-28")

    async def token(self) -> str:
        return (await self.client.delegation.mint(SERVER, LOGIN)).token

    async def _tools(self, ctx: object, params: object) -> types.ListToolsResult:
        tool = types.Tool(name="git_log", input_schema={"type": "object"})
        return types.ListToolsResult(tools=[tool])

    async def _call(self, ctx: object, params: object) -> Any:
        self.ran += 1
        delegation = current_delegation()
        text = f"{delegation.user} by {delegation.actors[0]}" if delegation else "nobody"
        return types.CallToolResult(content=[types.TextContent(type="text", text=text)])


@pytest.fixture
def git(governd: FakeGovernd, connect_mcp: Connect) -> Git:
    """The server, and a governd that permits and mints everything, for the agent."""
    governd.mints, governd.rule, governd.spiffe_id = (lambda _: True), (lambda _: permit()), AGENT
    return Git(governd, connect_mcp)


def calling(token: object) -> dict[str, Any]:
    return {"name": "git_log", "_meta": {"io.governd/acting-as-token": token}}


@pytest.mark.parametrize("revision", REVISIONS)
async def test_policy_sees_the_token_and_the_tool_in_whose_name_it_is_called(
    git: Git, governd: FakeGovernd, revision: str
) -> None:
    git.server.middleware.append(
        PolicyMiddleware(git.client, server="git", caller=lambda _: AGENT, delegation=STDIO)
    )
    token = await git.token()
    async with git.connect(git.server, revision) as send:
        answer = await send("tools/call", calling(token))
    assert answer["result"]["content"][0]["text"] == f"alice by {AGENT}"
    [asked] = governd.requests
    assert asked.context.evidence.acting_as_token == token
    assert current_delegation() is None


@pytest.mark.parametrize("token", [None, "", "a b", ["a.b.c"], "a.b.c", "a.b.c,a.b.c"])
async def test_a_request_whose_token_does_not_count_never_reaches_the_tool(
    git: Git, governd: FakeGovernd, token: object
) -> None:
    async with git.taking(STDIO) as send:
        answer = await send("tools/call", calling(token))
        without = await send("tools/call", {"name": "git_log"})
    message = "the acting-as token was not taken"
    assert answer["error"] == without["error"] == {"code": DENIED, "message": message}
    assert (git.ran, governd.requests) == (0, [])


async def test_a_token_that_comes_twice_counts_once(git: Git) -> None:
    token = await git.token()
    async with git.taking(STDIO) as send:
        assert "result" in await send("tools/call", calling(token))
        assert (await send("tools/call", calling(token)))["error"]["code"] == DENIED
    assert git.ran == 1


async def test_what_is_denied_in_a_users_name_is_not_done(git: Git, governd: FakeGovernd) -> None:
    governd.rule = lambda _: deny()
    token = await git.token()
    async with git.taking(STDIO) as send:
        assert (await send("tools/call", calling(token)))["error"]["code"] == DENIED
    assert git.ran == 0


async def test_a_token_that_cannot_be_verified_now_decides_nothing(
    git: Git, governd: FakeGovernd
) -> None:
    governd.refusals["Verify"] = status_of("RESOURCE_EXHAUSTED", "RATE_LIMITED")
    async with git.taking(STDIO) as send:
        assert (await send("tools/call", calling("a.b.c")))["error"]["code"] == UNDECIDED
    assert git.ran == 0


async def test_where_none_is_required_a_request_without_one_is_nobodys(git: Git) -> None:
    relaxed = Acceptance(origin="", least_binding=Binding.CALLER, required=False)
    async with git.taking(relaxed) as send:
        answer = await send("tools/call", {"name": "git_log"})
    assert answer["result"]["content"][0]["text"] == "nobody"


async def test_a_list_is_shown_in_the_users_name(git: Git, governd: FakeGovernd) -> None:
    token = await git.token()
    async with git.taking(STDIO) as send:
        await send("tools/list", {"_meta": {"io.governd/acting-as-token": token}})
    asked = [each for each in governd.requests if isinstance(each, FILTER)]
    assert [each.evidence.acting_as_token for each in asked] == [token]


class Headers:
    def __init__(self, *lines: tuple[bytes, bytes]) -> None:
        self.raw = list(lines)


class Http:
    """The part of a request of HTTP that is looked at."""

    method = "POST"
    scope = {"raw_path": b"/mcp", "query_string": b""}  # noqa: RUF012 - nobody writes to it

    def __init__(self, *lines: tuple[bytes, bytes]) -> None:
        self.headers = Headers(*lines)

    async def body(self) -> bytes:
        return b"{}"


def context(http: Http, meta: dict[str, Any] | None = None) -> ServerRequestContext[Any, Any]:
    fields: dict[str, Any] = {"session": None, "lifespan_context": None}
    return ServerRequestContext(
        **fields,
        protocol_version="2026-07-28",
        method="tools/call",
        params={"_meta": meta} if meta is not None else None,
        request=http,
    )


async def test_over_http_a_token_comes_in_the_header_and_is_tied_to_the_body() -> None:
    took = Acceptance(origin="https://tools.example.org")
    came = await _arrived(took, context(Http((b"Acting-As-Token", b"a.b.c"))), AGENT)
    uri = "https://tools.example.org/mcp"
    assert (came.token, came.request) == ("a.b.c", BoundRequest.of("POST", uri, b"{}"))


async def test_attack_header_and_message_have_different_tokens(governd: FakeGovernd) -> None:
    took = Acceptance(origin="https://tools.example.org")
    http = Http((b"acting-as-token", b"a.b.c"))
    with pytest.raises(Exception, match="differs"):
        await _arrived(took, context(http, {"io.governd/acting-as-token": "d.e.f"}), AGENT)
