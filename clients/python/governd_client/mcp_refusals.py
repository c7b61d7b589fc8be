"""How requests to an MCP server are refused.

What lists hide is answered as what does not exist: the same for a tool that is there and for
one that is not, but for the id of the decision. In its words it is what the MCP SDK answers.
"""

from collections.abc import Mapping
from typing import Final, NoReturn

from mcp.shared.exceptions import MCPError

from governd_client.receiving import TAKEN

DENIED: Final = -32001
"""JSON-RPC code of a denial (COAZ-MCP)."""
UNDECIDED: Final = -32603
"""JSON-RPC code where governd could not be asked."""
INVALID_PARAMS: Final = -32602
"""JSON-RPC code of parameters that nothing can be asked about, and of what is unknown."""

_UNKNOWN: Final = {
    "tools/call": "Unknown tool",
    "resources/read": "Unknown resource",
    "prompts/get": "Unknown prompt",
}


def refuse(
    code: int,
    message: str,
    data: Mapping[str, str] | None = None,
    *,
    cause: Exception | None = None,
) -> NoReturn:
    """Refuses a request.

    Raises:
        MCPError: Always.
    """
    raise MCPError(code, message, dict(data) if data is not None else None) from cause


def refuse_undecided(cause: Exception | None = None) -> NoReturn:
    """Refuses a request that could not be decided on, and says nothing of why.

    Raises:
        MCPError: Always.
    """
    refuse(UNDECIDED, "no policy decision could be obtained", cause=cause)


def refuse_denied(decision_id: str = "") -> NoReturn:
    """Refuses a request that was denied, and says nothing of why.

    Raises:
        MCPError: Always.
    """
    refuse(DENIED, "denied by policy", {"decision_id": decision_id} if decision_id else None)


def refuse_untaken(cause: Exception) -> NoReturn:
    """Refuses a request whose acting-as token does not count, and says nothing of why.

    Raises:
        MCPError: Always.
    """
    refuse(DENIED, TAKEN, cause=cause)


def refuse_unknown(method: str, name: str, decision_id: str) -> NoReturn:
    """Refuses a request about something as if it did not exist.

    Raises:
        MCPError: Always.
    """
    data = {"decision_id": decision_id}
    if method == "resources/read":
        data["uri"] = name
    refuse(INVALID_PARAMS, f"{_UNKNOWN[method]}: {name}", data)
