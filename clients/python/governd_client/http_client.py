"""Acting-as tokens for requests of HTTP that this workload makes.

Event hooks for ``httpx`` and what has its interface, which is all that they need of it:

    source = ActingAs(client, audience="spiffe://example.org/agent/tools", scopes=["search"])
    hook = ActingAsHook(source, origin="https://tools.example.org")
    httpx.Client(event_hooks={"request": [hook]})

Each request to the origin gets a token of its own, tied to its method, URI and body; a body
that is streamed is read first. A request to any other origin, such as the target of a
redirect, goes out without one.
"""

from typing import Any, Protocol

from governd_client.acting import ActingAs, AsyncActingAs
from governd_client.carriage import HTTP_HEADER
from governd_client.delegation import BoundRequest
from governd_client.origin import origin_of, place_of


class Request(Protocol):
    """The part of a request of ``httpx`` that is needed."""

    method: str
    url: Any
    headers: Any

    def read(self) -> bytes:
        """The whole body."""

    async def aread(self) -> bytes:
        """The whole body."""


class _Origin:
    """Where tokens go, and nowhere else."""

    def __init__(self, origin: str) -> None:
        self._origin = origin_of(origin)
        self._place = place_of(self._origin)

    def _is_here(self, request: Request) -> bool:
        """Whether a request goes there; takes off a token that is not for where it goes."""
        if HTTP_HEADER in request.headers:
            del request.headers[HTTP_HEADER]
        return place_of(str(request.url)) == self._place

    def _bound(self, request: Request, body: bytes) -> BoundRequest:
        target = request.url.raw_path.decode("ascii")
        return BoundRequest.of(request.method, self._origin + target, body)


class ActingAsHook(_Origin):
    """A request hook of a synchronous client."""

    def __init__(self, source: ActingAs, *, origin: str) -> None:
        """Takes where tokens come from, and the one origin that they are for.

        Args:
            source: Makes the tokens.
            origin: As ``https://tools.example.org``.

        Raises:
            ValueError: ``origin`` is none.
        """
        super().__init__(origin)
        self._source = source

    def __call__(self, request: Request) -> None:
        """Puts a token on a request.

        Raises:
            GoverndError: There is none; the request is not sent.
        """
        if self._is_here(request):
            token = self._source.token(self._bound(request, request.read()))
            request.headers.update(token.headers)


class AsyncActingAsHook(_Origin):
    """A request hook of an asynchronous client."""

    def __init__(self, source: AsyncActingAs, *, origin: str) -> None:
        """As ``ActingAsHook``."""
        super().__init__(origin)
        self._source = source

    async def __call__(self, request: Request) -> None:
        """Puts a token on a request.

        Raises:
            GoverndError: There is none; the request is not sent.
        """
        if self._is_here(request):
            token = await self._source.token(self._bound(request, await request.aread()))
            request.headers.update(token.headers)
