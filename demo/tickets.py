"""A protected MCP server of somebody else: it knows nothing of governd, and takes tokens.

What protects it is the MCP SDK's own: a request without a token that its authorization server
issued for it is answered 401. Whose tickets are told is the token's word, and through whom
they are told, too.
"""

import time
from typing import Any
from urllib.parse import urlsplit

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken, TokenVerifier
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from pydantic import AnyHttpUrl
from starlette.applications import Starlette

SCOPE = "tickets:read"
_TICKETS = {"alice": ["#7 The printer is on fire"], "carol": ["#8 Salaries for November"]}


class Verifier(TokenVerifier):
    """Takes what one issuer issued for one place (RFC 9068, section 4)."""

    def __init__(self, issuer: str, keys: KeySet, resource: str) -> None:
        """Knows the issuer and its keys."""
        self._issuer, self._keys, self._resource = issuer, keys, resource

    async def verify_token(self, token: str) -> AccessToken | None:
        """What a token says; ``None`` where it does not count."""
        try:
            found = jwt.decode(token, self._keys, algorithms=["ES256"])
        except (JoseError, ValueError):
            return None
        claims, meant = found.claims, (self._issuer, self._resource)
        is_ours = (claims.get("iss"), claims.get("aud")) == meant
        if found.header.get("typ") != "at+jwt" or not is_ours or claims["exp"] <= time.time():
            return None
        return AccessToken(
            token=token,
            client_id=claims["client_id"],
            scopes=claims["scope"].split(),
            expires_at=claims["exp"],
            resource=self._resource,
            subject=claims["sub"],
            claims=claims,
        )


def app(issuer: str, keys: KeySet, resource: str) -> Starlette:
    """The server, at ``resource``."""
    settings = AuthSettings(
        issuer_url=AnyHttpUrl(issuer),
        resource_server_url=AnyHttpUrl(resource),
        required_scopes=[SCOPE],
        validate_token_resource=True,
    )
    verifier = Verifier(issuer, keys, resource)
    server: MCPServer[Any] = MCPServer(
        "tickets", token_verifier=verifier, auth=settings, log_level="ERROR"
    )
    server.tool()(my_tickets)
    security = TransportSecuritySettings(allowed_hosts=[urlsplit(resource).netloc])
    return server.streamable_http_app(json_response=True, transport_security=security)


def my_tickets() -> str:
    """The open tickets of who is asked for."""
    token = get_access_token()
    claims = (token.claims if token else None) or {}
    user, acts = claims["sub"], claims["act"]["sub"]
    return f"{', '.join(_TICKETS.get(user, []))}  for {user}, asked by {acts}"
