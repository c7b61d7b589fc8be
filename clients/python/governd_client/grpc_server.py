"""Interceptors that let governd decide on the calls a gRPC server receives.

``PolicyInterceptor`` is for ``grpc.server``, ``AsyncPolicyInterceptor`` for
``grpc.aio.server``; both serve all four kinds of call. A refused call never reaches its
handler. Who calls comes from the channel (see ``governd_client.peer``).

Refusals carry no text of the policy and none of governd's errors:

    * PERMISSION_DENIED: denied, or a method nothing is to be asked about; the decision's id
      is in the trailer ``governd-decision-id``
    * UNAUTHENTICATED: the caller has no usable SPIFFE ID, or its acting-as token was not taken
    * UNAVAILABLE: governd could not be asked

With ``delegation`` a token is taken out of each call, verified and shown to policy, and
``governd_client.acting.current_delegation`` tells the handler in whose name the call is.

Obligations that the server performs are stated on the client it brings.
"""

import contextvars
import enum
import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any, Final, Generic, TypeAlias, TypeVar

import grpc

from governd_client.acting import acting
from governd_client.aio import AsyncClient
from governd_client.carriage import from_headers
from governd_client.certificates import grpc_certificate
from governd_client.client import Client
from governd_client.delegation import Delegation
from governd_client.errors import CallerUnknownError
from governd_client.grpc_client import METHOD
from governd_client.grpc_handlers import behaviour_of, in_context, rebuilt
from governd_client.grpc_refusals import (
    DECISION_ID,
    NOT_ASKED,
    UNKNOWN_CALLER,
    RefusedError,
    refusing,
    require,
)
from governd_client.question import Question
from governd_client.receiving import Acceptance, Arrived, receive, receive_async


class Rule(enum.Enum):
    """What may stand in the place of a question."""

    UNSAFE_UNGOVERNED = "unsafe_ungoverned"
    """The call goes to its handler without a decision, for example a health check."""


__all__ = ["DECISION_ID", "Asks", "AsyncPolicyInterceptor", "Caller", "PolicyInterceptor", "Rule"]

_LOGGER: Final = logging.getLogger(__name__)
# Quoted: generic for type checkers only.
_Found: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"
_AioContext: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
ClientT = TypeVar("ClientT", Client, AsyncClient)

Asks = Callable[[grpc.HandlerCallDetails], Question | Rule | None]
"""Says what to ask about a call; ``None`` refuses it."""
Caller = Callable[[Any], str]
"""Tells the caller's SPIFFE ID from the servicer context, or raises
``CallerUnknownError``. A call whose caller is anything but a string that says something is
refused, too."""


class _Guard(Generic[ClientT]):
    """What both interceptors have in common."""

    def __init__(
        self,
        client: ClientT,
        *,
        question: Asks,
        caller: Caller,
        delegation: Acceptance | None = None,
    ) -> None:
        """Refuses everything that ``client`` does not permit.

        Args:
            client: Asks governd, as the identity of this server.
            question: Says what to ask about a call, from its method and metadata.
            caller: Tells who calls, for example ``governd_client.peer.peer_spiffe_id``.
            delegation: Which acting-as tokens are taken; ``None`` to look at none.
        """
        self._client: ClientT = client
        self._question = question
        self._caller = caller
        self._took = delegation

    def _asked(self, details: grpc.HandlerCallDetails) -> Question | Rule | None:
        try:
            return self._question(details)
        except Exception:
            # Whatever the mapping raises, gRPC would tell the peer; refuse instead.
            _LOGGER.exception("the question about a call could not be made up")
            return None

    def _addressed(self, asked: Question | None, context: object) -> Question:
        """The question with its subject."""
        if asked is None:
            raise RefusedError(NOT_ASKED)
        try:
            subject: object = self._caller(context)
        except CallerUnknownError:
            raise RefusedError(UNKNOWN_CALLER) from None
        except Exception as error:
            _LOGGER.exception("the caller of a call could not be determined")
            raise RefusedError(UNKNOWN_CALLER) from error
        if not isinstance(subject, str) or not subject:
            # Without a subject governd would be asked about this server itself.
            _LOGGER.error("the caller of a call is no SPIFFE ID")
            raise RefusedError(UNKNOWN_CALLER)
        return replace(asked, subject=subject)


class PolicyInterceptor(_Guard[Client], grpc.ServerInterceptor):
    """Asks governd about each call that a ``grpc.server`` receives."""

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], _Found],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> _Found:
        """Puts the question in front of the handler."""
        handler = continuation(handler_call_details)
        asked = self._asked(handler_call_details)
        if handler is None or asked is Rule.UNSAFE_UNGOVERNED:
            return handler
        behaviour, streams = behaviour_of(handler), handler.response_streaming

        def guarded(request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ANN401 - gRPC's
            try:
                question = self._addressed(asked, context)
                delegation = self._permitted(question, context, handler_call_details)
            except RefusedError as refused:
                context.abort_with_status(refused.status)
            with acting(delegation):
                answers = behaviour(request, context)
                if delegation is None or not streams:
                    return answers
                return in_context(contextvars.copy_context(), iter(answers))

        return rebuilt(handler, guarded)

    def _permitted(
        self, asked: Question, context: grpc.ServicerContext, details: grpc.HandlerCallDetails
    ) -> Delegation | None:
        """In whose name a permitted call is."""
        with refusing():
            delegation = None
            if self._took is not None:
                came = _arrived(self._took, details, asked, grpc_certificate(context))
                delegation = receive(self._client, self._took, came)
            require(
                self._client.evaluate(
                    asked.action,
                    asked.resource,
                    arguments=asked.arguments,
                    subject=asked.subject,
                    evidence=delegation.evidence if delegation else asked.evidence,
                )
            )
        return delegation


class AsyncPolicyInterceptor(_Guard[AsyncClient], grpc.aio.ServerInterceptor):
    """Asks governd about each call that a ``grpc.aio.server`` receives.

    Handlers must be coroutine functions or asynchronous generator functions.
    """

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[_Found]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> _Found:
        """Puts the question in front of the handler."""
        handler = await continuation(handler_call_details)
        asked = self._asked(handler_call_details)
        if handler is None or asked is Rule.UNSAFE_UNGOVERNED:
            return handler
        behaviour = behaviour_of(handler)

        async def unary(request: Any, context: _AioContext) -> Any:  # noqa: ANN401 - gRPC's
            with acting(await self._admitted(asked, context, handler_call_details)):
                return await behaviour(request, context)

        async def stream(request: Any, context: _AioContext) -> AsyncIterator[Any]:  # noqa: ANN401 - gRPC's
            # INVARIANT: grpc.aio reads all answers in the one task of the call.
            with acting(await self._admitted(asked, context, handler_call_details)):
                answers = behaviour(request, context)
                if not inspect.isasyncgen(answers):
                    await answers  # a coroutine that sends with context.write itself
                    return
                async for answer in answers:
                    yield answer

        return rebuilt(handler, stream if handler.response_streaming else unary)

    async def _admitted(
        self, asked: Question | None, context: _AioContext, details: grpc.HandlerCallDetails
    ) -> Delegation | None:
        try:
            return await self._permitted(self._addressed(asked, context), context, details)
        except RefusedError as refused:
            await context.abort_with_status(refused.status)
            raise

    async def _permitted(
        self, asked: Question, context: _AioContext, details: grpc.HandlerCallDetails
    ) -> Delegation | None:
        """In whose name a permitted call is."""
        with refusing():
            delegation = None
            if self._took is not None:
                came = _arrived(self._took, details, asked, grpc_certificate(context))
                delegation = await receive_async(self._client, self._took, came)
            require(
                await self._client.evaluate(
                    asked.action,
                    asked.resource,
                    arguments=asked.arguments,
                    subject=asked.subject,
                    evidence=delegation.evidence if delegation else asked.evidence,
                )
            )
        return delegation


def _arrived(
    took: Acceptance, details: grpc.HandlerCallDetails, asked: Question, certificate: str
) -> Arrived:
    """How a call came, whose caller is the subject."""
    token = from_headers(details.invocation_metadata or ())
    return Arrived(token, took.bound(METHOD, details.method), asked.subject or "", certificate)
