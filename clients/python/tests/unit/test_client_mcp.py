"""An MCP server that asks governd about what it received, in all three revisions.

Messages are put to the SDK's own server as a client would send them, in memory.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import anyio
import mcp_types as types
import pytest
from google.rpc import error_details_pb2, status_pb2
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server

from governd_client import AsyncClient
from governd_client._proto.governd.v1 import policy_service_pb2, types_pb2
from governd_client.mcp import DENIED, INVALID_PARAMS, UNDECIDED, PolicyMiddleware
from governd_client.testing import DECISION_ID, FakeGovernd, deny, permit

AGENT = "spiffe://example.org/agent/writer"
HANDSHAKE = ["2025-06-18", "2025-11-25"]
MODERN = "2026-07-28"
REVISIONS = [*HANDSHAKE, MODERN]
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
Context = ServerRequestContext[Any, Any]
Connect = Callable[..., Any]


class GitServer:
    """An MCP server that notes what reaches its handlers."""

    client: AsyncClient

    def __init__(self, connect: Connect) -> None:
        self.seen: list[tuple[str, Any]] = []
        self.server: Server[Any] = Server(
            "git",
            on_call_tool=self._call,
            on_list_tools=self._tools,
            on_read_resource=self._read,
            on_completion=self._complete,
        )
        self.connected = partial(connect, self.server)

    async def _call(self, ctx: Context, params: types.CallToolRequestParams) -> Any:
        self.seen.append((params.name, params.arguments))
        if params.name == "git_raise":
            message = "hidden"
            raise RuntimeError(message)
        if params.name == "git_fail":
            return types.CallToolResult(content=[], is_error=True)
        return types.CallToolResult(content=[types.TextContent(type="text", text="done")])

    async def _tools(self, ctx: Context, params: object) -> types.ListToolsResult:
        self.seen.append(("tools/list", None))
        return types.ListToolsResult(tools=[])

    async def _read(
        self, ctx: Context, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        self.seen.append((params.uri, None))
        return types.ReadResourceResult(contents=[])

    async def _complete(self, ctx: Context, params: object) -> types.CompleteResult:
        self.seen.append(("completion/complete", None))
        return types.CompleteResult(completion=types.Completion(values=[]))


@pytest.fixture
def git(governd: FakeGovernd, connect_mcp: Connect) -> GitServer:
    """A governed server whose callers are all the same agent."""
    server = GitServer(connect_mcp)
    server.client = AsyncClient(port=governd.async_port())
    server.server.middleware.append(
        PolicyMiddleware(server.client, server="git", caller=lambda _ctx: AGENT)
    )
    return server


@pytest.mark.parametrize("revision", REVISIONS)
async def test_permitted_call_reaches_the_tool_with_the_arguments_asked_about(
    governd: FakeGovernd, git: GitServer, revision: str
) -> None:
    governd.rule = lambda _: permit()
    arguments = {"message": "fix", "amend": None, "n": 2**60}
    async with git.connected(revision) as send:
        meta = {"traceparent": TRACE}
        params = {"name": "git_commit", "arguments": arguments, "_meta": meta}
        answer = await send("tools/call", params)
    assert answer["result"]["content"][0]["text"] == "done"
    assert git.seen == [("git_commit", arguments)]
    [asked] = governd.requests
    assert (asked.action.name, asked.resource.id) == ("tools/call", "git/git_commit")
    assert asked.subject.id == AGENT
    assert asked.context.arguments_json == b'{"message":"fix","amend":null,"n":1152921504606846976}'
    assert governd.metadata == {"traceparent": TRACE}


@pytest.mark.parametrize("revision", REVISIONS)
async def test_denied_call_never_reaches_the_tool_and_tells_no_policy(
    governd: FakeGovernd, git: GitServer, revision: str
) -> None:
    governd.rule = lambda _: deny(reasons=["secret-policy"], code=types_pb2.DECISION_CODE_FORBIDDEN)
    async with git.connected(revision) as send:
        answer = await send("tools/call", {"name": "git_reset", "arguments": {}})
    assert git.seen == []
    assert answer["error"] == {
        "code": DENIED,
        "message": "denied by policy",
        "data": {"decision_id": DECISION_ID},
    }


@pytest.mark.parametrize("revision", REVISIONS)
async def test_what_became_of_permitted_calls_is_reported_and_of_no_others(
    governd: FakeGovernd, git: GitServer, revision: str
) -> None:
    governd.rule = lambda asked: deny() if asked.resource.id == "git/git_reset" else permit()
    async with git.connected(revision) as send:
        for name in ("git_log", "git_fail", "git_raise", "git_reset"):
            await send("tools/call", {"name": name})
    await git.client.close()
    [report] = governd.reports
    done, failed = (
        policy_service_pb2.OUTCOME_CODE_SUCCEEDED,
        policy_service_pb2.OUTCOME_CODE_FAILED,
    )
    assert [each.code for each in report.outcomes] == [done, failed, failed]
    assert all(each.HasField("duration") for each in report.outcomes)


@pytest.mark.parametrize("revision", REVISIONS)
async def test_governd_away_refuses_and_hides_why(
    governd: FakeGovernd, git: GitServer, revision: str
) -> None:
    governd.status = status_pb2.Status(code=14, message="hidden: /run/governd/git.sock")
    async with git.connected(revision) as send:
        answer = await send("tools/call", {"name": "git_log"})
    assert git.seen == []
    assert answer["error"] == {
        "code": UNDECIDED,
        "message": "no policy decision could be obtained",
    }


@pytest.mark.parametrize("revision", REVISIONS)
@pytest.mark.parametrize("method", ["completion/complete", "tools/delete", "notifications/x", ""])
async def test_unknown_method_is_denied_without_asking(
    governd: FakeGovernd, git: GitServer, revision: str, method: str
) -> None:
    governd.rule = lambda _: permit()
    async with git.connected(revision) as send:
        answer = await send(method, {})
    assert answer["error"]["code"] == DENIED
    assert (git.seen, governd.requests) == ([], [])


@pytest.mark.parametrize(
    ("method", "params", "resource"),
    [
        ("tools/list", None, ("mcp_server", "git")),
        ("resources/list", {}, ("mcp_server", "git")),
        ("resources/templates/list", {}, ("mcp_server", "git")),
        ("prompts/list", {"cursor": "x"}, ("mcp_server", "git")),
        ("resources/read", {"uri": "file:///a/../b"}, ("resource", "git/file:///a/../b")),
        ("prompts/get", {"name": "review"}, ("prompt", "git/review")),
        ("tools/call", {"name": "a/b"}, ("tool", "git/a/b")),
    ],
)
async def test_each_method_asks_about_its_own_resource(
    governd: FakeGovernd,
    git: GitServer,
    method: str,
    params: dict[str, Any] | None,
    resource: tuple[str, str],
) -> None:
    async with git.connected("2025-11-25") as send:
        answer = await send(method, params)
    assert answer["error"]["code"] == DENIED
    [asked] = governd.requests
    assert (asked.action.name, asked.resource.type, asked.resource.id) == (method, *resource)
    assert not asked.HasField("context")


@pytest.mark.parametrize(
    ("revision", "method"),
    [(each, "ping") for each in HANDSHAKE] + [(MODERN, "server/discover")],
)
async def test_what_opens_and_keeps_a_connection_passes(
    governd: FakeGovernd, git: GitServer, revision: str, method: str
) -> None:
    async with git.connected(revision) as send:
        answer = await send(method)
    assert "result" in answer
    assert governd.requests == []


async def test_notification_passes(governd: FakeGovernd, git: GitServer) -> None:
    got = anyio.Event()

    async def note(ctx: Context, params: types.NotificationParams) -> None:
        got.set()

    git.server.add_notification_handler(
        "notifications/roots/list_changed", types.NotificationParams, note
    )
    async with git.connected("2025-11-25") as send:
        await send("notifications/roots/list_changed", request_id=None)
        with anyio.fail_after(5):
            await got.wait()
    assert governd.requests == []


@pytest.mark.parametrize("revision", REVISIONS)
async def test_call_disguised_as_a_notification_is_dropped(
    governd: FakeGovernd, git: GitServer, revision: str
) -> None:
    governd.rule = lambda _: permit()
    run = {"name": "git_reset", "arguments": {}}

    async def reset(ctx: Context, params: types.NotificationParams) -> None:
        git.seen.append(("git_reset", None))

    git.server.add_notification_handler("tools/call", types.NotificationParams, reset)
    async with git.connected(revision) as send:
        await send("tools/list")
        await send("tools/call", run, request_id=None)
        await send("tools/list")
    assert git.seen == [("tools/list", None)] * 2


@pytest.mark.parametrize("revision", REVISIONS)
@pytest.mark.parametrize(
    "params",
    [
        None,
        {},
        {"name": ""},
        {"name": None},
        {"name": 7},
        {"name": ["git_log"]},
        {"name": "git_log", "arguments": []},
        {"name": "git_log", "arguments": "{}"},
        {"name": "git_log", "arguments": {"n": float("nan")}},
        {"name": "git_log", "arguments": {"text": "\ud800"}},
    ],
    ids=repr,
)
async def test_malformed_params_are_refused_without_asking(
    governd: FakeGovernd, git: GitServer, revision: str, params: dict[str, Any] | None
) -> None:
    governd.rule = lambda _: permit()
    async with git.connected(revision) as send:
        answer = await send("tools/call", params)
    assert answer["error"]["code"] == INVALID_PARAMS
    assert (git.seen, governd.requests) == ([], [])


async def test_arguments_that_governd_refuses_are_the_callers_fault(
    governd: FakeGovernd, git: GitServer
) -> None:
    governd.status = status_pb2.Status(code=3, message="hidden")
    for field, code in (("context.arguments_json.n", INVALID_PARAMS), ("subject.id", UNDECIDED)):
        governd.status.ClearField("details")
        governd.status.details.add().Pack(_info(field))
        async with git.connected(MODERN) as send:
            answer = await send("tools/call", {"name": "git_log", "arguments": {"n": 2**70}})
        assert answer["error"]["code"] == code
        assert "hidden" not in str(answer)
    assert git.seen == []


def _info(field: str) -> Any:
    info = error_details_pb2.ErrorInfo(reason="REQUEST_INVALID", domain="governd")
    info.metadata["field"] = field
    return info


def _raise(_ctx: Context) -> str:
    message = "hidden: no certificate"
    raise RuntimeError(message)


@pytest.mark.parametrize(
    ("caller", "code"), [(lambda _ctx: None, DENIED), (_raise, UNDECIDED)], ids=["none", "raises"]
)
@pytest.mark.parametrize("revision", REVISIONS)
async def test_unknown_caller_is_refused_without_asking(
    governd: FakeGovernd,
    connect_mcp: Connect,
    revision: str,
    caller: Callable[[Context], str | None],
    code: int,
) -> None:
    governd.rule = lambda _: permit()
    git = GitServer(connect_mcp)
    client = AsyncClient(port=governd.async_port())
    git.server.middleware.append(PolicyMiddleware(client, server="git", caller=caller))
    async with git.connected(revision) as send:
        answer = await send("tools/call", {"name": "git_log"})
    assert answer["error"]["code"] == code
    assert "hidden" not in str(answer)
    assert (git.seen, governd.requests) == ([], [])


async def test_unsupported_obligation_refuses_the_call(
    governd: FakeGovernd, git: GitServer
) -> None:
    governd.rule = lambda _: permit(obligations=[types_pb2.Obligation(type="step-up")])
    async with git.connected(MODERN) as send:
        answer = await send("tools/call", {"name": "git_log"})
    assert answer["error"]["code"] == DENIED
    assert git.seen == []


@pytest.mark.parametrize("name", ["", "git/extra"])
def test_server_name_that_could_be_read_as_two_is_refused(governd: FakeGovernd, name: str) -> None:
    client = AsyncClient(port=governd.async_port())
    with pytest.raises(ValueError, match="server"):
        PolicyMiddleware(client, server=name, caller=lambda _ctx: AGENT)
