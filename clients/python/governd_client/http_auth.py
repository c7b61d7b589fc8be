"""Access tokens for requests of HTTP that this workload makes to an upstream.

Authentication for ``httpx`` and ``httpx2``, whichever is there; no credential is kept:

    auth = GoverndAuth(client, "crm", evidence=lambda: login)
    httpx.Client(auth=auth).get("https://crm.example.org/mcp")

governd is asked for each request, so that a token is shown for no longer than policy permits
it; governd keeps tokens, which costs a call over a local socket. The token goes to the origin
of the upstream's resource and nowhere else: a request to any other origin, such as the target
of a redirect, goes out as it is. Where the upstream refuses a token (RFC 6750, section 3.1,
``invalid_token``), another one is asked for and shown, once.
"""

import contextlib
import importlib
import re
from collections.abc import AsyncGenerator, Callable, Collection, Generator
from typing import Any, Final, Generic, Protocol, TypedDict, TypeVar

from governd_client.acting import current_delegation
from governd_client.aio import AsyncClient
from governd_client.client import Client
from governd_client.errors import InvalidRequestError
from governd_client.evidence import Evidence
from governd_client.http_client import Request
from governd_client.origin import Place, origin_of, place_of
from governd_client.token_calls import TOKEN_TIMEOUT_SECONDS
from governd_client.tokens import AccessToken

ClientT = TypeVar("ClientT", Client, AsyncClient)
_UNAUTHORIZED: Final = 401
_INVALID_TOKEN: Final = re.compile(r'[\s,]error\s*=\s*"?invalid_token(?:["\s,]|$)', re.IGNORECASE)


class Response(Protocol):
    """The part of a response of ``httpx`` that is needed."""

    status_code: int
    headers: Any
    url: Any


def _base() -> Any:  # noqa: ANN401 - a class that is known when the module is loaded
    """What both libraries take for authentication: each looks for its own class."""
    found = []
    for name in ("httpx2", "httpx"):
        with contextlib.suppress(ImportError):
            found.append(importlib.import_module(name).Auth)
    return type("Auth", tuple(found), {})


_Auth: Any = _base()


class _Terms(TypedDict):
    scopes: Collection[str]
    timeout: float


class _Upstream(Generic[ClientT]):
    """What both classes have in common."""

    def __init__(
        self,
        client: ClientT,
        upstream: str,
        *,
        evidence: Callable[[], Evidence] | None = None,
        scopes: Collection[str] = (),
        origin: str | None = None,
        timeout: float = TOKEN_TIMEOUT_SECONDS,
    ) -> None:
        """Asks ``client`` for each request.

        Args:
            client: Asks governd, as this workload.
            upstream: The upstream's name in the policy source.
            evidence: Tells in whose name; ``None`` where the upstream is reached for this
                workload itself. Where a delegation is current, that counts instead: what is
                done for one user does not go out in the name of another.
            scopes: Words of the upstream; all that the policy source has for it unless set.
            origin: As ``https://crm.example.org``: where the upstream is reached, if the
                policy source states no resource, or it is reached by way of another.
            timeout: Seconds for each token.

        Raises:
            ValueError: ``origin`` is none.
        """
        self._client: ClientT = client
        self._upstream = upstream
        self._evidence = evidence
        self._terms: _Terms = {"scopes": scopes, "timeout": timeout}
        self._place = None if origin is None else place_of(origin_of(origin))

    def _shown(self) -> Evidence | None:
        if self._evidence is None:
            return None
        delegation = current_delegation()
        return self._evidence() if delegation is None else delegation.evidence

    def _is_elsewhere(self, request: Request) -> bool:
        """Whether it is known without a token that there is none for a request."""
        return self._place is not None and place_of(str(request.url)) != self._place

    def _show(self, token: AccessToken, request: Request) -> Place | None:
        """Puts a token on a request that goes where it is good, and says where that is."""
        place = self._place or _place_of(token)
        if place_of(str(request.url)) != place:
            return None
        request.headers.update(token.headers)
        return place


class GoverndAuth(_Upstream[Client], _Auth):  # type: ignore[misc]  # whichever library is there
    """For a synchronous client of HTTP."""

    def sync_auth_flow(self, request: Request) -> Generator[Request, Response, None]:
        """Shows a token, and another one if that is refused.

        Raises:
            GoverndError: There is none; the request is not sent.
        """
        if self._is_elsewhere(request):
            yield request
            return
        request.read()  # it may have to be sent twice
        place = self._show(self._token(renew=False), request)
        response = yield request
        refused = place is not None and _is_refused(response, place)
        if refused and self._show(self._token(renew=True), request) is not None:
            yield request

    def _token(self, *, renew: bool) -> AccessToken:
        shown = self._shown()
        return self._client.token(self._upstream, evidence=shown, renew=renew, **self._terms)


class AsyncGoverndAuth(_Upstream[AsyncClient], _Auth):  # type: ignore[misc]  # likewise
    """For an asynchronous client of HTTP."""

    async def async_auth_flow(self, request: Request) -> AsyncGenerator[Request, Response]:
        """Shows a token, and another one if that is refused.

        Raises:
            GoverndError: There is none; the request is not sent.
        """
        if self._is_elsewhere(request):
            yield request
            return
        await request.aread()  # it may have to be sent twice
        place = self._show(await self._token(renew=False), request)
        response = yield request
        refused = place is not None and _is_refused(response, place)
        if refused and self._show(await self._token(renew=True), request) is not None:
            yield request

    async def _token(self, *, renew: bool) -> AccessToken:
        shown = self._shown()
        return await self._client.token(self._upstream, evidence=shown, renew=renew, **self._terms)


def _place_of(token: AccessToken) -> Place:
    if not token.resource:
        message = "origin: required, since the policy source states no resource for the upstream"
        raise InvalidRequestError(message, field="origin")
    return place_of(token.resource)


def _is_refused(response: Response, place: Place) -> bool:
    """Whether the upstream itself says that the token is none; another server may not."""
    if response.status_code != _UNAUTHORIZED or place_of(str(response.url)) != place:
        return False
    challenges = response.headers.get_list("www-authenticate")
    return any(_INVALID_TOKEN.search(each) for each in challenges)
