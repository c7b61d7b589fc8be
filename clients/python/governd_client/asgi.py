"""Middleware that takes acting-as tokens out of the requests that an ASGI server receives.

    def app():  # as in: uvicorn --factory server:app
        return ActingAsMiddleware(
            inner, AsyncClient(), delegation=TOOK, caller=asgi_peer_spiffe_id
        )

A client is of the loop on which it is made, so an application is made on that of its server.
A request reaches the application only after its token was verified; then
``governd_client.acting.current_delegation`` tells in whose name it is. With ``question``
policy is asked as well, and sees the token. What the application does not want governed, such
as a health check, it mounts beside the middleware.

Who calls is known from what the application configures, never from the request by itself.
Refusals are JSON, with nothing of why:

    * 401 ``token_not_taken``: there is no token, or it does not count
    * 401 ``caller_unknown``: the caller has no usable SPIFFE ID
    * 403 ``denied``: by policy, with the decision's id; or there is nothing to be asked
    * 413 ``body_too_large``: it is larger than can be tied to a token
    * 503 ``undecided``: governd could not be asked

INVARIANT: the body that was verified is the very one that the application gets. Websockets
are refused: what comes over one after its handshake could not be tied to a token.
"""

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, TypeAlias

from governd_client.acting import acting
from governd_client.aio import AsyncClient
from governd_client.asgi_body import GoneError, Receive, read_body, replaying
from governd_client.asgi_refusals import DENIED, RefusedError, Send, refusing, require
from governd_client.carriage import from_headers
from governd_client.certificates import asgi_certificate
from governd_client.delegation import Delegation
from governd_client.errors import CallerUnknownError
from governd_client.question import Question
from governd_client.receiving import Acceptance, asgi_target, receive_async

__all__ = ["MAX_BODY", "ActingAsMiddleware", "App", "Asks", "Caller", "Scope"]

MAX_BODY: Final = 1_048_576
_POLICY_VIOLATION: Final = 1008  # RFC 6455, section 7.4.1
_LOGGER: Final = logging.getLogger(__name__)

Scope: TypeAlias = MutableMapping[str, Any]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
Caller: TypeAlias = Callable[[Scope], str]
"""Tells the caller's SPIFFE ID from what the channel or the server's own proxy proved, or
raises ``CallerUnknownError``. A request whose caller is anything but a string that says
something is refused, too."""
Asks: TypeAlias = Callable[[Scope], Question | None]
"""Says what to ask about a request; ``None`` refuses it."""


class ActingAsMiddleware:
    """Lets only requests through whose acting-as token counts."""

    def __init__(
        self,
        app: App,
        client: AsyncClient,
        *,
        delegation: Acceptance,
        caller: Caller,
        question: Asks | None = None,
        max_body: int = MAX_BODY,
    ) -> None:
        """Refuses every request whose token ``client`` does not verify.

        Args:
            app: Gets what is let through.
            client: Asks governd, as the identity of this server.
            delegation: Which tokens are taken.
            caller: Tells who calls, for example ``governd_client.peer.asgi_peer_spiffe_id``.
            question: Says what to ask policy about a request; without it, policy is asked
                nothing here.
            max_body: Bytes of a body that comes with a token. It is held in memory; of a
                request without one nothing is read.
        """
        self._app = app
        self._client = client
        self._took = delegation
        self._caller = caller
        self._question = question
        self._max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands a request on, or refuses it.

        Raises:
            ValueError: It is of no protocol that is known here.
        """
        match scope["type"]:
            case "http":
                await self._http(scope, receive, send)
            case "lifespan":
                await self._app(scope, receive, send)
            case "websocket":
                await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
            case other:
                message = f"expected http, lifespan or websocket, got {other!r}"
                raise ValueError(message)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            with refusing():
                delegation, receive = await self._admitted(scope, receive)
        except RefusedError as refused:
            await refused.refusal.send(send)
            return
        except GoneError:
            return
        with acting(delegation):
            await self._app(scope, receive, send)

    async def _admitted(self, scope: Scope, receive: Receive) -> tuple[Delegation | None, Receive]:
        """In whose name a request is, and where its body comes from now."""
        delegation, has_token = None, from_headers(scope["headers"]) is not None
        if not has_token:
            self._took.require()
            if self._question is None:
                return None, receive
        peer = self._subject(scope)  # before anything is read for whoever it is
        if has_token:
            body = await read_body(receive, self._max_body)
            delegation, receive = await self._verified(scope, body, peer), replaying(body, receive)
        if self._question is not None:
            await self._permitted(self._asked(scope), peer, delegation)
        return delegation, receive

    async def _verified(self, scope: Scope, body: bytes, peer: str) -> Delegation | None:
        came = self._took.http(
            scope["method"],
            asgi_target(scope),
            scope["headers"],
            body,
            peer=peer,
            peer_certificate=asgi_certificate(scope),
        )
        return await receive_async(self._client, self._took, came)

    async def _permitted(self, asked: Question, peer: str, delegation: Delegation | None) -> None:
        require(
            await self._client.evaluate(
                asked.action,
                asked.resource,
                arguments=asked.arguments,
                subject=peer,
                evidence=delegation.evidence if delegation else asked.evidence,
            )
        )

    def _asked(self, scope: Scope) -> Question:
        try:
            asked = self._question(scope) if self._question else None
        except Exception as error:
            # Whatever the mapping raises, a server might tell the peer; refuse instead.
            _LOGGER.exception("the question about a request could not be made up")
            raise RefusedError(DENIED) from error
        if asked is None:
            raise RefusedError(DENIED)
        return asked

    def _subject(self, scope: Scope) -> str:
        try:
            subject: object = self._caller(scope)
        except CallerUnknownError:
            raise
        except Exception as error:
            _LOGGER.exception("the caller of a request could not be determined")
            message = "the caller could not be determined"
            raise CallerUnknownError(message) from error
        if not isinstance(subject, str) or not subject:
            # Without a subject governd would be asked about this server itself.
            message = "the caller is no SPIFFE ID"
            raise CallerUnknownError(message)
        return subject
