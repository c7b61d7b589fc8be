"""What an MCP server lists, and what of it each agent gets to see, in all three revisions."""

import asyncio
import hashlib
from collections.abc import Callable
from typing import Any

import anyio
import mcp_types as types
import pytest
from google.rpc import status_pb2
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server

from governd_client import AsyncClient, ListPhase
from governd_client._proto.governd.v1 import tool_service_pb2
from governd_client.mcp import DENIED, INVALID_PARAMS, UNDECIDED, PolicyMiddleware
from governd_client.mcp_filter import MAX_ENTRIES
from governd_client.testing import FakeGovernd, deny, permit, show_all, status_of

READER = "spiffe://example.org/agent/reader"
WRITER = "spiffe://example.org/agent/writer"
MODERN = "2026-07-28"
REVISIONS = ["2025-06-18", "2025-11-25", MODERN]
NAMES = ["git_status", "git_commit", "git_log", "git_reset"]
Context = ServerRequestContext[Any, Any]
Connect = Callable[..., Any]
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def tool(name: str, **members: Any) -> types.Tool:
    return types.Tool(name=name, input_schema={"type": "object"}, **members)


class Lister:
    """An MCP server that lists whatever a test puts there, page by page."""

    def __init__(self, governd: FakeGovernd, **terms: Any) -> None:
        self.pages: dict[str, Any] = {"": types.ListToolsResult(tools=[tool(n) for n in NAMES])}
        self.caller: Callable[[Context], str | None] = lambda _: READER
        self.phase: Callable[[Context], Any] = lambda _: ListPhase.CALL
        self.server: Server[Any] = Server(
            "git",
            on_list_tools=self._tools,
            on_list_resources=self._resources,
            on_list_resource_templates=self._templates,
            on_list_prompts=self._prompts,
        )
        self.server.middleware.append(
            PolicyMiddleware(
                AsyncClient(port=governd.async_port()),
                server="git",
                caller=self._caller,
                phase=self._phase,
                **terms,
            )
        )

    def _caller(self, ctx: Context) -> str | None:
        return self.caller(ctx)

    def _phase(self, ctx: Context) -> Any:
        return self.phase(ctx)

    async def _tools(self, ctx: Context, params: types.PaginatedRequestParams | None) -> Any:
        page = self.pages[(params.cursor if params else None) or ""]
        if isinstance(page, Exception):
            raise page
        return page

    async def _resources(self, ctx: Context, params: object) -> Any:
        return types.ListResourcesResult(
            resources=[types.Resource(uri=f"file:///{n}", name=n) for n in "ab"]
        )

    async def _templates(self, ctx: Context, params: object) -> Any:
        return types.ListResourceTemplatesResult(
            resource_templates=[
                types.ResourceTemplate(uri_template=f"file:///{n}/{{x}}", name=n) for n in "ab"
            ]
        )

    async def _prompts(self, ctx: Context, params: object) -> Any:
        return types.ListPromptsResult(prompts=[types.Prompt(name=n) for n in "ab"])


@pytest.fixture
def git(governd: FakeGovernd) -> Lister:
    """A server whose lists everybody may ask for; readers may see what only reads."""
    governd.rule = lambda _: permit()
    governd.shows = allowed
    return Lister(governd)


def allowed(request: tool_service_pb2.FilterToolsRequest) -> list[int]:
    """The writer sees everything, others what reads."""
    if request.subject.id == WRITER:
        return list(show_all(request))
    reading = ("git_status", "git_log")
    return [i for i, each in enumerate(request.definitions) if each.name in reading]


def names(answer: Any, member: str = "tools", key: str = "name") -> list[str]:
    return [each[key] for each in answer["result"][member]]


def filters(governd: FakeGovernd) -> list[tool_service_pb2.FilterToolsRequest]:
    return [
        each for each in governd.requests if isinstance(each, tool_service_pb2.FilterToolsRequest)
    ]


@pytest.mark.req("gi-5", part=True)
@pytest.mark.parametrize("revision", REVISIONS)
async def test_an_agent_sees_what_it_may_call_in_the_servers_order(
    governd: FakeGovernd, git: Lister, connect_mcp: Connect, revision: str
) -> None:
    async with connect_mcp(git.server, revision) as send:
        answer = await send("tools/list", {"_meta": {"traceparent": TRACE}})
    assert names(answer) == ["git_status", "git_log"]
    [asked] = filters(governd)
    assert (asked.server, asked.subject.id) == ("git", READER)
    assert asked.kind == tool_service_pb2.DEFINITION_KIND_TOOL
    assert asked.phase == tool_service_pb2.LIST_PHASE_CALL
    assert [each.name for each in asked.definitions] == NAMES
    assert all(each.digest.startswith("sha-256:") for each in asked.definitions)
    assert governd.metadata == {"traceparent": TRACE}


@pytest.mark.parametrize(
    ("method", "member", "key", "kind", "left"),
    [
        ("resources/list", "resources", "uri", 2, "file:///b"),
        ("resources/templates/list", "resourceTemplates", "uriTemplate", 3, "file:///b/{x}"),
        ("prompts/list", "prompts", "name", 4, "b"),
    ],
)
@pytest.mark.parametrize("revision", REVISIONS)
async def test_every_kind_of_list_is_filtered(
    *,
    governd: FakeGovernd,
    git: Lister,
    connect_mcp: Connect,
    revision: str,
    method: str,
    member: str,
    key: str,
    kind: int,
    left: str,
) -> None:
    governd.shows = lambda _: [1]
    async with connect_mcp(git.server, revision) as send:
        answer = await send(method)
    assert names(answer, member, key) == [left]
    assert filters(governd)[0].kind == kind


@pytest.mark.parametrize("revision", REVISIONS)
async def test_the_same_is_asked_about_in_every_revision(
    governd: FakeGovernd, git: Lister, connect_mcp: Connect, revision: str
) -> None:
    git.pages[""] = types.ListToolsResult(
        tools=[
            types.Tool(
                name="git_log",
                description="Log",
                input_schema={
                    "$schema": "https://json-schema.org/draft/2020-12/schema",
                    "type": "object",
                    "properties": {"n": {"anyOf": [{"type": "integer"}], "default": None}},
                    "$defs": {"x": True},
                    "additionalProperties": False,
                },
                output_schema={"type": "object", "title": "Out"},
                annotations=types.ToolAnnotations(read_only_hint=True, title="x"),
                icons=[types.Icon(src="x")],
                meta={"x": None},
            )
        ]
    )
    async with connect_mcp(git.server, revision) as send:
        await send("tools/list")
    canonical = (
        b'{"annotations":{"readOnlyHint":true,"title":"x"},"description":"Log","inputSchema":'
        b'{"$defs":{"x":true},"$schema":"https://json-schema.org/draft/2020-12/schema",'
        b'"additionalProperties":false,"properties":{"n":{"anyOf":[{"type":"integer"}],'
        b'"default":null}},"type":"object"},"name":"git_log","outputSchema":'
        b'{"title":"Out","type":"object"}}'
    )
    digest = f"sha-256:{hashlib.sha256(canonical).hexdigest()}"
    assert filters(governd)[0].definitions[0].digest == digest


@pytest.mark.parametrize("revision", REVISIONS)
async def test_the_cursor_stays_where_nothing_is_left_of_a_page(
    governd: FakeGovernd, git: Lister, connect_mcp: Connect, revision: str
) -> None:
    git.pages = {
        "": types.ListToolsResult(tools=[tool("git_reset")], next_cursor="2"),
        "2": types.ListToolsResult(tools=[tool("git_log")]),
    }
    async with connect_mcp(git.server, revision) as send:
        first = await send("tools/list")
        assert (names(first), first["result"]["nextCursor"]) == ([], "2")
        second = await send("tools/list", {"cursor": "2"})
        assert names(second) == ["git_log"]
        assert "nextCursor" not in second["result"]


@pytest.mark.parametrize("revision", REVISIONS)
async def test_a_list_is_nobody_elses_and_soon_stale(
    governd: FakeGovernd, git: Lister, connect_mcp: Connect, revision: str
) -> None:
    governd.lease = 2.5
    git.pages[""] = types.ListToolsResult(
        tools=[tool("git_log")], ttl_ms=60_000, cache_scope="public"
    )
    async with connect_mcp(git.server, revision) as send:
        result = (await send("tools/list"))["result"]
    if revision == MODERN:
        assert (result["ttlMs"], result["cacheScope"]) == (2500, "private")
    else:
        assert not {"ttlMs", "cacheScope"} & set(result)


async def test_what_was_read_is_nobody_elses(
    governd: FakeGovernd, git: Lister, connect_mcp: Connect
) -> None:
    async def read(ctx: Context, params: types.ReadResourceRequestParams) -> Any:
        return types.ReadResourceResult(contents=[], ttl_ms=60_000, cache_scope="public")

    git.server.add_request_handler("resources/read", types.ReadResourceRequestParams, read)
    async with connect_mcp(git.server, MODERN) as send:
        result = (await send("resources/read", {"uri": "file:///a"}))["result"]
    assert (result["ttlMs"], result["cacheScope"]) == (60_000, "private")


@pytest.mark.parametrize(
    ("result", "scope"),
    [
        (types.ReadResourceResult(contents=[], cache_scope="public"), "private"),
        ({"contents": [], "cacheScope": "public"}, "private"),
        ({"contents": []}, None),
    ],
    ids=["message", "raw", "older"],
)
async def test_what_another_middleware_read_is_nobody_elses(
    governd: FakeGovernd, git: Lister, connect_mcp: Connect, result: Any, scope: str | None
) -> None:
    async def short(ctx: Context, call_next: Any) -> Any:
        return result if ctx.method == "resources/read" else await call_next(ctx)

    git.server.middleware.append(short)
    async with connect_mcp(git.server, MODERN) as send:
        answer = await send("resources/read", {"uri": "file:///a"})
    assert answer["result"].get("cacheScope") == scope


@pytest.mark.parametrize("raw", [False, True])
async def test_what_another_middleware_answers_is_filtered_too(
    governd: FakeGovernd, git: Lister, connect_mcp: Connect, raw: bool
) -> None:
    async def short(ctx: Context, call_next: Any) -> Any:
        if ctx.method != "tools/list":
            return await call_next(ctx)
        answer = types.ListToolsResult(tools=[tool("git_reset"), tool("git_log")], ttl_ms=99_000)
        return answer.model_dump(by_alias=True, exclude_none=True) if raw else answer

    git.server.middleware.append(short)
    governd.lease = 1.5
    async with connect_mcp(git.server, MODERN) as send:
        answer = await send("tools/list")
    assert names(answer) == ["git_log"]
    assert (answer["result"]["ttlMs"], answer["result"]["cacheScope"]) == (1500, "private")


@pytest.mark.parametrize("revision", REVISIONS)
async def test_what_no_digest_covers_is_listed_only_where_that_is_wanted(
    governd: FakeGovernd, git: Lister, connect_mcp: Connect, revision: str
) -> None:
    listed = tool("git_log", title="Log", meta={"io.governd/requires": ["git:read"]})
    wanting = Lister(governd, show_unpinned=True)
    titles = []
    for each in (git, wanting):
        each.pages[""] = types.ListToolsResult(tools=[listed])
        async with connect_mcp(each.server, revision) as send:
            answer = await send("tools/list")
        assert "io.governd" not in str(answer["result"]["tools"])
        titles.append(answer["result"]["tools"][0].get("title"))
    assert titles == [None, "Log"]


async def test_x_mcp_header_is_not_listed(
    governd: FakeGovernd, git: Lister, connect_mcp: Connect
) -> None:
    schema = {
        "type": "object",
        "properties": {"token": {"type": "string", "x-mcp-header": "Token"}},
    }
    listed = types.Tool(name="git_log", input_schema=schema)
    git.pages[""] = types.ListToolsResult(tools=[listed])
    async with connect_mcp(git.server, MODERN) as send:
        [shown] = (await send("tools/list"))["result"]["tools"]
    assert shown["inputSchema"]["properties"] == {"token": {"type": "string"}}


async def test_a_list_for_one_user_is_never_served_to_another(
    governd: FakeGovernd, git: Lister, connect_mcp: Connect
) -> None:
    """Two subjects through one middleware, their answers interleaved in every way."""
    subjects: dict[Any, str] = {}

    async def slow(ctx: Context, params: object) -> Any:
        await asyncio.sleep(0)
        return types.ListToolsResult(tools=[tool(n) for n in NAMES])

    git.server.add_request_handler("tools/list", types.PaginatedRequestParams, slow)
    git.caller = lambda ctx: subjects[(ctx.params or {})["_meta"]["who"]]
    subjects.update(reader=READER, writer=WRITER)

    async def ask(who: str, wanted: list[str]) -> None:
        async with connect_mcp(git.server, MODERN) as send:
            for number in range(25):
                answer = await send("tools/list", {"_meta": {"who": who}}, request_id=number + 1)
                assert names(answer) == wanted
                assert answer["result"]["cacheScope"] == "private"

    async with anyio.create_task_group() as group:
        for _ in range(2):
            group.start_soon(ask, "reader", ["git_status", "git_log"])
            group.start_soon(ask, "writer", NAMES)


@pytest.mark.parametrize("revision", REVISIONS)
@pytest.mark.parametrize("reason", ["away", "unknown server", "older"])
async def test_without_an_answer_nothing_is_shown_and_nothing_is_told(
    governd: FakeGovernd, git: Lister, connect_mcp: Connect, revision: str, reason: str
) -> None:
    governd.shows = show_all
    governd.refusals["FilterTools"] = {
        "away": status_pb2.Status(code=14, message="hidden: /run/governd/git.sock"),
        "unknown server": status_of("FAILED_PRECONDITION", "SERVER_UNKNOWN"),
        "older": status_of("UNIMPLEMENTED"),
    }[reason]
    async with connect_mcp(git.server, revision) as send:
        answer = await send("tools/list")
    assert answer["error"] == {
        "code": UNDECIDED,
        "message": "no policy decision could be obtained",
    }


@pytest.mark.parametrize("shown", [[3, 0], [1, 1], [4]])
async def test_an_answer_that_is_none_shows_nothing(
    governd: FakeGovernd, git: Lister, connect_mcp: Connect, shown: list[int]
) -> None:
    governd.shows = lambda _: shown
    async with connect_mcp(git.server, MODERN) as send:
        answer = await send("tools/list")
    assert answer["error"]["code"] == UNDECIDED


async def test_a_list_that_is_denied_is_not_filtered(
    governd: FakeGovernd, git: Lister, connect_mcp: Connect
) -> None:
    governd.rule = lambda _: deny(hidden=True)
    async with connect_mcp(git.server, MODERN) as send:
        answer = await send("tools/list")
    assert answer["error"]["code"] == DENIED, "a list is there, whatever is hidden of it"
    assert filters(governd) == []


@pytest.mark.parametrize("revision", REVISIONS)
async def test_a_list_whose_handler_raises_shows_nothing(
    governd: FakeGovernd, git: Lister, connect_mcp: Connect, revision: str
) -> None:
    git.pages[""] = RuntimeError("hidden")
    async with connect_mcp(git.server, revision) as send:
        answer = await send("tools/list")
    assert "result" not in answer
    assert filters(governd) == []


async def test_an_error_that_a_server_returns_stays_one(
    governd: FakeGovernd, git: Lister, connect_mcp: Connect
) -> None:
    async def refuse(ctx: Context, call_next: Any) -> Any:
        if ctx.method != "tools/list":
            return await call_next(ctx)
        return types.ErrorData(code=INVALID_PARAMS, message="no such cursor")

    git.server.middleware.append(refuse)
    async with connect_mcp(git.server, MODERN) as send:
        answer = await send("tools/list", {"cursor": "x"})
    assert answer["error"] == {"code": INVALID_PARAMS, "message": "no such cursor"}


@pytest.mark.parametrize(
    "result",
    [
        {},
        {"tools": None},
        {"tools": {"git_log": {}}},
        {"tools": "git_log"},
        {"resultType": "io.example/other"},
    ],
    ids=repr,
)
async def test_a_result_that_is_no_list_is_not_shown(
    governd: FakeGovernd, git: Lister, connect_mcp: Connect, result: Any
) -> None:
    governd.shows = show_all

    async def odd(ctx: Context, call_next: Any) -> Any:
        return result if ctx.method == "tools/list" else await call_next(ctx)

    git.server.middleware.append(odd)
    async with connect_mcp(git.server, MODERN) as send:
        answer = await send("tools/list")
    assert answer["error"]["code"] == UNDECIDED


async def test_entries_that_nobody_can_decide_on_are_not_shown(
    governd: FakeGovernd, git: Lister, connect_mcp: Connect
) -> None:
    governd.shows = show_all
    twice = {"name": "twice", "inputSchema": {"type": "object"}}
    odd = {"name": "odd", "inputSchema": {"type": "object", "maximum": 2**60}}
    entries = [{}, twice, None, {"name": 7}, odd, {"name": "a", "inputSchema": {}}, twice]

    async def answer_oddly(ctx: Context, call_next: Any) -> Any:
        return {"tools": entries} if ctx.method == "tools/list" else await call_next(ctx)

    git.server.middleware.append(answer_oddly)
    async with connect_mcp(git.server, "2025-11-25") as send:
        answer = await send("tools/list")
    assert names(answer) == ["a"]
    assert [each.name for each in filters(governd)[0].definitions] == ["a"]


async def test_an_empty_list_needs_no_answer(
    governd: FakeGovernd, git: Lister, connect_mcp: Connect
) -> None:
    git.pages[""] = types.ListToolsResult(tools=[], next_cursor="2")
    async with connect_mcp(git.server, MODERN) as send:
        result = (await send("tools/list"))["result"]
    assert (result["tools"], result["nextCursor"], result["cacheScope"]) == ([], "2", "private")
    assert filters(governd) == []


@pytest.mark.parametrize("width", [1, 1500])
async def test_a_long_list_is_asked_about_in_parts_and_shown_whole(
    governd: FakeGovernd, git: Lister, connect_mcp: Connect, width: int
) -> None:
    governd.shows = lambda request: range(0, len(request.definitions), 2)
    long = [f"{number:04}{'x' * width}" for number in range(2 * MAX_ENTRIES + 2)]
    git.pages[""] = types.ListToolsResult(tools=[tool(name) for name in long])
    async with connect_mcp(git.server, MODERN) as send:
        answer = await send("tools/list")
    parts = filters(governd)
    assert len(parts) > 2
    assert all(part.ByteSize() < 256 * 1024 for part in parts)
    assert [each.name for part in parts for each in part.definitions] == long
    assert names(answer) == [each.name for part in parts for each in part.definitions[::2]]


async def test_the_phase_is_what_the_option_says(
    governd: FakeGovernd, git: Lister, connect_mcp: Connect
) -> None:
    git.phase = lambda ctx: (ListPhase.BOOTSTRAP, ListPhase.CALL)[bool(ctx.params)]
    async with connect_mcp(git.server, "2025-11-25") as send:
        await send("tools/list")
        await send("tools/list", {"cursor": ""})
    assert [each.phase for each in filters(governd)] == [
        tool_service_pb2.LIST_PHASE_BOOTSTRAP,
        tool_service_pb2.LIST_PHASE_CALL,
    ]


@pytest.mark.parametrize("phase", [lambda _: None, lambda _: 1 // 0], ids=["none", "raises"])
async def test_a_phase_that_cannot_be_determined_shows_nothing(
    governd: FakeGovernd, git: Lister, connect_mcp: Connect, phase: Any
) -> None:
    governd.shows = show_all
    git.phase = phase
    async with connect_mcp(git.server, MODERN) as send:
        answer = await send("tools/list")
    assert answer["error"]["code"] == UNDECIDED
    assert "division" not in str(answer)
