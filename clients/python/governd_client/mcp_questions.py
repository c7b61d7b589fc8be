"""What to ask about a request to an MCP server (COAZ-MCP)."""

from collections.abc import Mapping
from typing import Any, Final

from governd_client.definitions import Kind
from governd_client.mcp_lists import FORMS
from governd_client.mcp_refusals import INVALID_PARAMS, refuse, refuse_denied
from governd_client.question import Question, Resource

ITEMS: Final = {
    "tools/call": ("tool", "name"),
    "resources/read": ("resource", "uri"),
    "prompts/get": ("prompt", "name"),
}
"""Requests about one thing: its type, and the parameter that names it."""
KINDS: Final = {
    "tools/call": Kind.TOOL,
    "resources/read": Kind.RESOURCE,
    "prompts/get": Kind.PROMPT,
}
"""What defines that thing."""


def question(method: str, params: Mapping[str, Any] | None, server: str) -> Question:
    """What to ask about a request.

    Raises:
        MCPError: The method is none that may be asked about, or its parameters do not say
            what it is about.
    """
    if method in FORMS:
        return Question(method, Resource("mcp_server", server))
    if method not in ITEMS:
        refuse_denied()
    kind, key = ITEMS[method]
    given = params if params is not None else {}
    name = given.get(key)
    arguments = given.get("arguments") if method == "tools/call" else None
    if not isinstance(name, str) or not name or not isinstance(arguments, dict | None):
        refuse(INVALID_PARAMS, "invalid params")
    return Question(method, Resource(kind, f"{server}/{name}"), arguments)


def traceparent_of(params: Mapping[str, Any] | None) -> str | None:
    """The trace context that MCP carries in ``_meta`` (SEP-414)."""
    meta = params.get("_meta") if params is not None else None
    value = meta.get("traceparent") if isinstance(meta, dict) else None
    return value if isinstance(value, str) else None
