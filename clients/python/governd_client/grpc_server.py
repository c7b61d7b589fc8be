"""Interceptors that let governd decide on the calls a gRPC server receives.

``PolicyInterceptor`` is for ``grpc.server``, ``AsyncPolicyInterceptor`` for
``grpc.aio.server``; both serve all four kinds of call. A refused call never reaches its
handler. Who calls comes from the channel (see ``governd_client.peer``).

Refusals carry no text of the policy and none of governd's errors:

    * PERMISSION_DENIED: denied, or a method nothing is to be asked about; the decision's id
      is in the trailer ``governd-decision-id``
    * UNAUTHENTICATED: the caller has no usable SPIFFE ID
    * UNAVAILABLE: governd could not be asked

Obligations that the server performs are stated on the client it brings.
"""

import enum
import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, TypeAlias, TypeVar

import grpc

from governd_client.aio import AsyncClient
from governd_client.client import Client
from governd_client.decision import Decision
from governd_client.errors import CallerUnknownError, GoverndError
from governd_client.question import Question

DECISION_ID: Final = "governd-decision-id"
"""Trailer with the id of the decision that refused the call."""


class Rule(enum.Enum):
    """What may stand in the place of a question."""

    UNSAFE_UNGOVERNED = "unsafe_ungoverned"
    """The call goes to its handler without a decision, for example a health check."""


_LOGGER: Final = logging.getLogger(__name__)
# Quoted: generic for type checkers only.
_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
_Found: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"
_AioContext: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
ClientT = TypeVar("ClientT", Client, AsyncClient)

Asks = Callable[[grpc.HandlerCallDetails], Question | Rule | None]
"""Says what to ask about a call; ``None`` refuses it."""
Caller = Callable[[Any], str]
"""Tells the caller's SPIFFE ID from the servicer context, or raises
``CallerUnknownError``. A call whose caller is anything but a string that says something is
refused, too."""


@dataclass(frozen=True)
class Refusal(grpc.Status):
    """The status of a refused call."""

    code: grpc.StatusCode
    details: str
    trailing_metadata: tuple[tuple[str, str], ...] = ()


_NOT_ASKED: Final = Refusal(grpc.StatusCode.PERMISSION_DENIED, "denied by policy")
_UNKNOWN_CALLER: Final = Refusal(grpc.StatusCode.UNAUTHENTICATED, "the caller has no SPIFFE ID")
_UNDECIDED: Final = Refusal(grpc.StatusCode.UNAVAILABLE, "no policy decision could be obtained")


class _Guard(Generic[ClientT]):
    """What both interceptors have in common."""

    def __init__(self, client: ClientT, *, question: Asks, caller: Caller) -> None:
        """Refuses everything that ``client`` does not permit.

        Args:
            client: Asks governd, as the identity of this server.
            question: Says what to ask about a call, from its method and metadata.
            caller: Tells who calls, for example ``governd_client.peer.peer_spiffe_id``.
        """
        self._client: ClientT = client
        self._question = question
        self._caller = caller

    def _asked(self, details: grpc.HandlerCallDetails) -> Question | Rule | None:
        try:
            return self._question(details)
        except Exception:
            # Whatever the mapping raises, gRPC would tell the peer; refuse instead.
            _LOGGER.exception("the question about a call could not be made up")
            return None

    def _addressed(self, asked: Question | None, context: object) -> Question | Refusal:
        """The question with its subject, or why there is none."""
        if asked is None:
            return _NOT_ASKED
        try:
            subject: object = self._caller(context)
        except CallerUnknownError:
            return _UNKNOWN_CALLER
        except Exception:
            _LOGGER.exception("the caller of a call could not be determined")
            return _UNKNOWN_CALLER
        if not isinstance(subject, str) or not subject:
            # Without a subject governd would be asked about this server itself.
            _LOGGER.error("the caller of a call is no SPIFFE ID")
            return _UNKNOWN_CALLER
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
        behaviour = _behaviour(handler)

        def guarded(request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ANN401 - gRPC's
            refusal = self._refusal(self._addressed(asked, context))
            if refusal is not None:
                context.abort_with_status(refusal)
            return behaviour(request, context)

        return _rebuild(handler, guarded)

    def _refusal(self, asked: Question | Refusal) -> Refusal | None:
        if isinstance(asked, Refusal):
            return asked
        try:
            decision = self._client.evaluate(
                asked.action, asked.resource, arguments=asked.arguments, subject=asked.subject
            )
        except GoverndError:
            return _UNDECIDED
        return _denied(decision)


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
        behaviour = _behaviour(handler)

        async def unary(request: Any, context: _AioContext) -> Any:  # noqa: ANN401 - gRPC's
            await self._require(self._addressed(asked, context), context)
            return await behaviour(request, context)

        async def stream(request: Any, context: _AioContext) -> AsyncIterator[Any]:  # noqa: ANN401 - gRPC's
            await self._require(self._addressed(asked, context), context)
            answers = behaviour(request, context)
            if not inspect.isasyncgen(answers):
                await answers  # a coroutine that sends with context.write itself
                return
            async for answer in answers:
                yield answer

        return _rebuild(handler, stream if handler.response_streaming else unary)

    async def _require(self, asked: Question | Refusal, context: _AioContext) -> None:
        refusal = asked if isinstance(asked, Refusal) else await self._refusal(asked)
        if refusal is not None:
            await context.abort_with_status(refusal)

    async def _refusal(self, asked: Question) -> Refusal | None:
        try:
            decision = await self._client.evaluate(
                asked.action, asked.resource, arguments=asked.arguments, subject=asked.subject
            )
        except GoverndError:
            return _UNDECIDED
        return _denied(decision)


def _denied(decision: Decision) -> Refusal | None:
    if decision.allowed:
        return None
    trailer = ((DECISION_ID, decision.decision_id),)
    return Refusal(grpc.StatusCode.PERMISSION_DENIED, "denied by policy", trailer)


def _behaviour(handler: _Handler) -> Callable[[Any, Any], Any]:
    """The one of its four callables that a handler has."""
    kinds = (
        handler.unary_unary,
        handler.unary_stream,
        handler.stream_unary,
        handler.stream_stream,
    )
    return next(kind for kind in kinds if kind is not None)


_BUILDERS: Final = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}


def _rebuild(handler: _Handler, behaviour: Callable[[Any, Any], Any]) -> _Handler:
    """The same handler with another behaviour."""
    build = _BUILDERS[bool(handler.request_streaming), bool(handler.response_streaming)]
    return build(behaviour, handler.request_deserializer, handler.response_serializer)
