"""Where what an MCP server offers is had from: all pages of all four lists."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, Final, TypeAlias

import anyio
from mcp.client.client import Client
from mcp.client.session import ClientSession
from mcp.server.context import CallNext, ServerRequestContext
from mcp.server.mcpserver import MCPServer
from mcp.shared.exceptions import MCPError
from mcp.types import (
    METHOD_NOT_FOUND,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    PaginatedRequestParams,
)

from governd_client.mcp_lists import FORMS, Entry, Form, ListError, Page, read_page

MAX_PAGES: Final = 1000
LIST_SECONDS: Final = 10.0
"""For all lists together: whoever needs them registered waits for that."""

Lists: TypeAlias = Callable[[str, str | None], Awaitable[object]]
"""Answers a list request, by its method, for example ``tools/list``, and cursor: with a message
of the MCP SDK or raw JSON. Raises ``MCPError`` with -32601 where there is no such list."""
Source: TypeAlias = MCPServer[Any] | ClientSession | Client | Lists


async def collect(lists: Lists) -> list[Entry]:
    """All entries of all pages of all four lists, those without a name left out.

    Raises:
        ListError: A list cannot be had as a whole, or not in time.
    """
    try:
        with anyio.fail_after(LIST_SECONDS):
            return [
                entry
                for form in FORMS.values()
                async for page in pages(lists, form)
                for entry in page.entries
            ]
    except TimeoutError as error:
        message = f"the lists took more than {LIST_SECONDS} s"
        raise ListError(message) from error


async def pages(lists: Lists, form: Form) -> AsyncIterator[Page]:
    """The pages of one list; none where the server has no such list.

    Raises:
        ListError: It cannot be had as a whole.
    """
    cursor: str | None = None
    seen: set[str | None] = set()
    while cursor not in seen and len(seen) < MAX_PAGES:
        seen.add(cursor)
        try:
            page = read_page(form, await lists(form.method, cursor))
        except ListError:
            raise
        except Exception as error:
            if isinstance(error, MCPError) and error.code == METHOD_NOT_FOUND and cursor is None:
                return
            message = f"{form.method} failed"
            raise ListError(message) from error
        yield page
        cursor = page.cursor
        if cursor is None:
            return
    message = f"{form.method} never ends"
    raise ListError(message)


def lists_of(source: Source) -> Lists:
    """How to have a source's lists: of a server by its own methods, of a session by asking."""
    if isinstance(source, MCPServer):
        return _server_lists(source)
    if isinstance(source, Client):
        return _session_lists(source.session)
    return _session_lists(source) if isinstance(source, ClientSession) else source


def _server_lists(server: MCPServer[Any]) -> Lists:
    async def lists(method: str, _cursor: str | None) -> object:
        match method:
            case "tools/list":
                return ListToolsResult(tools=await server.list_tools())
            case "resources/list":
                return ListResourcesResult(resources=await server.list_resources())
            case "resources/templates/list":
                templates = await server.list_resource_templates()
                return ListResourceTemplatesResult(resource_templates=templates)
            case _:
                return ListPromptsResult(prompts=await server.list_prompts())

    return lists


def _session_lists(session: ClientSession) -> Lists:
    calls: Mapping[str, Callable[..., Awaitable[object]]] = {
        "tools/list": session.list_tools,
        "resources/list": session.list_resources,
        "resources/templates/list": session.list_resource_templates,
        "prompts/list": session.list_prompts,
    }

    async def lists(method: str, cursor: str | None) -> object:
        return await calls[method](params=PaginatedRequestParams(cursor=cursor))

    return lists


def inner_lists(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> Lists:
    """What a server lists to the one whose request this is, past the middleware that asks."""
    meta = (ctx.params or {}).get("_meta")
    # The envelope of the revision, and no progress for what the caller did not ask.
    known = meta if isinstance(meta, Mapping) else {}
    kept = {key: value for key, value in known.items() if key != "progressToken"}

    async def lists(method: str, cursor: str | None) -> object:
        params: dict[str, Any] = {"_meta": kept} if kept else {}
        if cursor is not None:
            params["cursor"] = cursor
        return await call_next(replace(ctx, method=method, params=params))

    return lists
