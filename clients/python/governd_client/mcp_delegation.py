"""In whose name a request to an MCP server is.

The token comes in ``params._meta``, or in the header of the HTTP request; what comes in both
must be the same. One in ``_meta`` cannot be tied to the body, which it is a part of: callers
over HTTP that are to tie to the body send it as a header.

An agent that calls an MCP server puts it there itself: the hooks of
``governd_client.http_client`` do so for each request over HTTP, and for any other transport

    token = await source.token()
    await session.call_tool("search", {}, meta=dict(token.mcp_meta))
"""

import logging
from collections.abc import Mapping
from typing import Any, Final

from mcp.server.context import ServerRequestContext

from governd_client.aio import AsyncClient
from governd_client.carriage import from_headers, from_mcp, the_one
from governd_client.certificates import asgi_certificate
from governd_client.delegation import Delegation
from governd_client.errors import GoverndError, TokenRejectedError
from governd_client.mcp_refusals import refuse_undecided, refuse_untaken
from governd_client.receiving import Acceptance, Arrived, asgi_target, receive_async

_LOGGER: Final = logging.getLogger(__name__)
Context = ServerRequestContext[Any, Any]


async def receive_mcp(
    client: AsyncClient, took: Acceptance | None, ctx: Context, peer: str
) -> Delegation | None:
    """In whose name a request is; ``None`` where it has no token and needs none.

    Args:
        client: Verifies, as the identity of this MCP server.
        took: Which tokens are taken; ``None`` to look at none.
        ctx: The request.
        peer: SPIFFE ID of who sent it, as the channel proved.

    Raises:
        MCPError: The token does not count, or there is none.
    """
    if took is None:
        return None
    try:
        return await receive_async(client, took, await _arrived(took, ctx, peer))
    except TokenRejectedError as error:
        _LOGGER.warning("a request is refused: %s: %s", error.rejection, error)
        refuse_untaken(error)
    except GoverndError as error:
        refuse_undecided(error)


async def _arrived(took: Acceptance, ctx: Context, peer: str) -> Arrived:
    meta = ctx.params.get("_meta") if ctx.params is not None else None
    token = from_mcp(meta) if isinstance(meta, Mapping) else None
    http = ctx.request
    if http is None:
        return Arrived(token, None, peer)
    token = the_one(from_headers(http.headers.raw), token)
    body = await http.body()  # which the transport has read
    bound = took.bound(http.method, asgi_target(http.scope), body)
    return Arrived(token, bound, peer, asgi_certificate(http.scope))
