"""An agent's own look at the tools of an MCP server, one that may know nothing of governd."""

from mcp.client.client import Client
from mcp.client.session import ClientSession
from mcp.types import Tool

from governd_client.aio import AsyncClient
from governd_client.filtering import ListPhase
from governd_client.mcp_filter import visible
from governd_client.mcp_lists import FORMS, clear
from governd_client.mcp_shown import shown_entry
from governd_client.mcp_sources import lists_of, pages


async def filtered_tools(
    session: ClientSession | Client,
    governd: AsyncClient,
    server: str,
    *,
    phase: ListPhase = ListPhase.CALL,
    show_unpinned: bool = False,
) -> list[Tool]:
    """The tools that a server lists and this agent may call, in the server's order.

    Reads all pages. Saves the agent's model from tools that it may not use; whoever calls one
    of the others all the same is refused only where the server asks governd, too. A tool that
    is not listed just as it was registered is left out; one with ``x-mcp-header`` is such a
    one where a governed server lists it, which takes that out.

    Args:
        session: The session with the server.
        governd: Asks governd, as the agent itself.
        server: The name under which the policy declares the server.
        phase: ``BOOTSTRAP`` to see what could be called once a user has delegated, too.
        show_unpinned: Whether to see what no digest covers, too, such as ``title``.

    Raises:
        GoverndError: There is no answer, or no list: the agent has no tools.
    """
    form = FORMS["tools/list"]
    entries = [entry async for page in pages(lists_of(session), form) for entry in page.entries]
    shown, _ = await visible(governd, server, form.kind, clear(entries), subject=None, phase=phase)
    items = (shown_entry(each, show_unpinned=show_unpinned) for each in shown)
    return [Tool.model_validate(each, by_name=False) for each in items]
