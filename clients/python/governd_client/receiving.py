"""What a server takes of acting-as tokens, and how one that came is verified.

    took = Acceptance(origin="https://tools.example.org")
    came = took.http("POST", "/mcp", headers, body, peer=peer)
    with acting(receive(client, took, came)):
        ...

The middlewares for MCP and gRPC do that by themselves; this is for any server of HTTP, of
ASGI or WSGI. Whatever cannot be verified does not count, and where a token is required, a
request without one is refused.

INVARIANT: the authority of the request to which a token is tied is the server's own, from
its configuration; nothing that came with the request names it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from governd_client.aio import AsyncClient
from governd_client.carriage import CARRIAGE, HTTP_HEADER, from_headers
from governd_client.client import Client
from governd_client.delegation import Binding, BoundRequest, Delegation
from governd_client.errors import InvalidRequestError, TokenRejectedError
from governd_client.origin import origin_of

TAKEN: Final = "the acting-as token was not taken"
"""What whoever sent a token that does not count is told, and no more."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """How a request came, and the token that it came with.

    Attributes:
        token: As it came; ``None`` where none did.
        request: What a token can be tied to; ``None`` where there was nothing to see.
        peer: SPIFFE ID that the channel proved for who sent it, ``""`` for none.
        peer_certificate: ``x5t#S256`` of the certificate that the peer showed.
    """

    token: str | None
    request: BoundRequest | None
    peer: str
    peer_certificate: str = ""

    def __repr__(self) -> str:
        """Everything but the token."""
        return f"Arrived(request={self.request!r}, peer={self.peer!r})"


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Which tokens a server takes.

    Attributes:
        origin: Under which callers reach it, as ``https://tools.example.org``; ``""`` where
            there is none, as for MCP over stdio: then no token that is tied to a request
            counts, and ``least_binding`` must be lower.
        least_binding: What is tied less is refused. Demand ``BODY`` for destructive calls.
        required: Whether a request without a token is refused.
    """

    origin: str
    least_binding: Binding = Binding.REQUEST
    required: bool = True

    def __post_init__(self) -> None:
        """Checks the origin.

        Raises:
            ValueError: It is none.
        """
        if self.origin:
            object.__setattr__(self, "origin", origin_of(self.origin))

    def http(
        self,
        method: str,
        target: str,
        headers: Iterable[tuple[str | bytes, str | bytes]],
        body: bytes | None = None,
        *,
        peer: str,
        peer_certificate: str = "",
    ) -> Arrived:
        """How a request of HTTP came.

        Args:
            method: Its method.
            target: Path and query as they came, not decoded; ``asgi_target`` tells.
            headers: One entry for each line. WSGI joins lines of one name, which is refused,
                and hides underscores in names: have the server in front drop such headers.
            body: All of it; ``None`` where nobody read it.
            peer: SPIFFE ID that the connection proved, or the server's own authenticated
                proxy; ``""`` for none.
            peer_certificate: ``x5t#S256`` of the certificate that the peer showed.

        Raises:
            TokenRejectedError: There are several tokens, or something else in their place.
        """
        token = from_headers(headers)
        return Arrived(token, self.bound(method, target, body), peer, peer_certificate)

    def bound(self, method: str, target: str, body: bytes | None = None) -> BoundRequest | None:
        """What a token of a request can be tied to.

        Raises:
            TokenRejectedError: ``target`` is no path: a URI of its own could name another
                authority.
        """
        if not self.origin:
            return None
        if not target.startswith("/"):
            raise TokenRejectedError(CARRIAGE, "the request's target is no path")
        return BoundRequest.of(method, f"{self.origin}{target}", body)

    def require(self) -> None:
        """Says what a request without a token is.

        Raises:
            TokenRejectedError: It is refused.
        """
        if self.required:
            raise TokenRejectedError(CARRIAGE, f"{HTTP_HEADER}: required, and none came")


def asgi_target(scope: Mapping[str, Any]) -> str:
    """Path and query of a request, as they came, from the scope that ASGI has of it."""
    path = scope.get("raw_path") or quote(scope["path"]).encode()
    query = scope.get("query_string") or b""
    return (path + b"?" + query if query else path).decode("latin-1")


def receive(client: Client, took: Acceptance, came: Arrived) -> Delegation | None:
    """In whose name a request is; ``None`` where it has no token and needs none.

    Raises:
        TokenRejectedError: The token does not count, or there is none.
        GoverndError: It could not be verified, and does not count either.
    """
    if came.token is None:
        took.require()
        return None
    try:
        return client.delegation.verify(
            came.token,
            request=came.request,
            peer=came.peer,
            peer_certificate=came.peer_certificate,
            least_binding=took.least_binding,
        )
    except InvalidRequestError as error:
        raise _unfit(error) from error


async def receive_async(client: AsyncClient, took: Acceptance, came: Arrived) -> Delegation | None:
    """What ``receive`` does, for an ``AsyncClient``.

    Raises:
        TokenRejectedError: The token does not count, or there is none.
        GoverndError: It could not be verified, and does not count either.
    """
    if came.token is None:
        took.require()
        return None
    try:
        return await client.delegation.verify(
            came.token,
            request=came.request,
            peer=came.peer,
            peer_certificate=came.peer_certificate,
            least_binding=took.least_binding,
        )
    except InvalidRequestError as error:
        raise _unfit(error) from error


def _unfit(error: InvalidRequestError) -> TokenRejectedError:
    """Token or request are such that governd does not even look: whoever sent them did that."""
    return TokenRejectedError(CARRIAGE, str(error))
