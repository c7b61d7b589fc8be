"""MCP servers over Streamable HTTP, each agent on a Unix socket of its own.

Which socket a request came in on says who calls, and no message can change that.
"""

import os
import socket
from pathlib import Path
from typing import Any

import uvicorn
from mcp.server.lowlevel.server import Server
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings

from governd_client.mcp import ignore_parameter_headers

# A Unix socket cannot be reached by a web page, so there is no host name to rebind.
_SECURITY = TransportSecuritySettings(enable_dns_rebinding_protection=False)


async def serve(server: Server[Any] | MCPServer[Any], directory: Path, agent: str) -> None:
    """Serves one agent, for ever.

    Args:
        server: What it meets.
        directory: Where its socket goes, named after the last segment of its SPIFFE ID.
        agent: Its SPIFFE ID.
    """
    app = server.streamable_http_app(json_response=True, transport_security=_SECURITY)
    ignore_parameter_headers(server)
    config = uvicorn.Config(app, log_level="warning", ws="none")
    with _bound(directory / f"{agent.rpartition('/')[2]}.sock") as listening:
        await uvicorn.Server(config).serve(sockets=[listening])


def _bound(path: Path) -> socket.socket:
    """A listening socket that only its owner may open: it is the agent's identity."""
    listening = socket.socket(socket.AF_UNIX)
    path.unlink(missing_ok=True)  # of an edition before
    mask = os.umask(0o177)
    try:
        listening.bind(str(path))
    finally:
        os.umask(mask)
    listening.listen()
    return listening
