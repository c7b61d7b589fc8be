"""What stands between a client and ``testing.FakeGovernd``: ports, and a gRPC servicer."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NoReturn, Protocol

import grpc
from google.rpc import status_pb2

from governd_client._proto.governd.v1 import (
    agent_service_pb2_grpc,
    delegation_service_pb2_grpc,
    identity_service_pb2_grpc,
    policy_service_pb2_grpc,
    token_service_pb2_grpc,
    tool_service_pb2_grpc,
)
from governd_client.channel import (
    EVALUATE,
    EVALUATE_BATCH,
    EVALUATE_STREAM,
    EXCHANGE,
    EXTEND,
    FILTER_TOOLS,
    GET_AGENT,
    GET_TOKEN,
    MINT,
    REGISTER_AGENT,
    REGISTER_TOOLS,
    REPORT_OUTCOME,
    VERIFY,
    WAIT_READY,
    WATCH_EPOCH,
    WHO_AM_I,
    A,
    CallTerms,
    Method,
    Q,
)
from governd_client.errors import CLOSED, UnavailableError
from governd_client.fake_stream import FakeStream, Governd, fake_stream
from governd_client.statuses import from_status

_DETAILS: Final = "grpc-status-details-bin"


class Answering(Governd, Protocol):
    """What a port needs of the fake."""

    wait: Callable[[], object]

    def answer(self, request: Any) -> Any:  # noqa: ANN401 - any call of the API
        """What governd says to a request; a status where it refuses."""

    def refusal(self, path: str) -> status_pb2.Status | None:
        """What a call of that method fails with."""

    def note(self, path: str, metadata: dict[str, str | bytes]) -> None:
        """A call came with these headers."""


class FakePort:
    """The port of a ``Client``, in memory."""

    def __init__(self, governd: Answering) -> None:
        """Begins open."""
        self._governd = governd
        self._closed = False

    def call(self, method: Method[Q, A], request: Q, terms: CallTerms) -> A:
        """Makes one call."""
        self.require_open()
        if method is not REPORT_OUTCOME:
            self._governd.wait()
        return self.answer(method, request, terms)

    def send(self, method: Method[Q, A], requests: Sequence[Q], terms: CallTerms) -> A:
        """Makes one call whose request is a stream."""
        return self.call(method, whole(method, requests), terms)

    def answer(self, method: Method[Q, A], request: Q, terms: CallTerms) -> A:
        """The answer, at once."""
        self.require_open()
        self._governd.note(method.path, dict(terms["metadata"]))
        refusal = self._governd.refusal(method.path)
        if refusal is not None:
            raise from_status(refusal)
        # Through bytes, as on the wire.
        sent = method.request.FromString(request.SerializeToString())
        answer = self._governd.answer(sent)
        if isinstance(answer, status_pb2.Status):
            raise from_status(answer)
        return method.answer.FromString(answer.SerializeToString())

    def stream(self, method: Method[Q, A], requests: Iterator[Q]) -> FakeStream[A]:
        """Begins a streaming call."""
        self.require_open()
        return FakeStream(self._governd, method, requests)

    def close(self) -> None:
        """Refuses whatever comes after."""
        self._closed = True

    def require_open(self) -> None:
        """Raises ``UnavailableError`` once it is closed."""
        if self._closed:
            raise UnavailableError(CLOSED)


class AsyncFakePort:
    """The port of an ``AsyncClient``, in memory."""

    def __init__(self, governd: Answering) -> None:
        """Begins open."""
        self._governd = governd
        self._port = FakePort(governd)

    async def call(self, method: Method[Q, A], request: Q, terms: CallTerms) -> A:
        """Makes one call, while which other tasks run."""
        await asyncio.sleep(0)
        return self._port.answer(method, request, terms)

    async def send(self, method: Method[Q, A], requests: Sequence[Q], terms: CallTerms) -> A:
        """Makes one call whose request is a stream."""
        return await self.call(method, whole(method, requests), terms)

    def stream(self, method: Method[Q, A], requests: AsyncIterator[Q]) -> AsyncGenerator[A, None]:
        """A streaming call."""
        self._port.require_open()
        return fake_stream(self._governd, method, requests)

    async def close(self) -> None:
        """Refuses whatever comes after."""
        self._port.close()


class _Servicer(
    policy_service_pb2_grpc.PolicyServiceServicer,
    identity_service_pb2_grpc.IdentityServiceServicer,
    tool_service_pb2_grpc.ToolServiceServicer,
    delegation_service_pb2_grpc.DelegationServiceServicer,
    agent_service_pb2_grpc.AgentServiceServicer,
    token_service_pb2_grpc.TokenServiceServicer,
):
    """The fake behind a gRPC server."""

    def __init__(self, governd: Answering) -> None:
        """Answers as ``governd`` does."""
        self._governd = governd

    def _call(self, method: Method[Q, A], request: Q, context: grpc.ServicerContext) -> A:
        self._governd.note(method.path, dict(context.invocation_metadata()))
        if method is not REPORT_OUTCOME:
            self._governd.wait()
        refusal = self._governd.refusal(method.path)
        if refusal is not None:
            _abort(context, refusal)
        answer: A | status_pb2.Status = self._governd.answer(request)
        if isinstance(answer, status_pb2.Status):
            _abort(context, answer)
        return answer

    def _stream(
        self, method: Method[Q, A], requests: Iterator[Q], context: grpc.ServicerContext
    ) -> Iterator[A]:
        stream = FakeStream(self._governd, method, requests)
        if not context.add_callback(stream.cancel):
            return
        while (item := stream.item()) is not None:
            if isinstance(item, status_pb2.Status):
                _abort(context, item)
            yield item

    def Evaluate(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ANN401, N802
        return self._call(EVALUATE, request, context)

    def EvaluateBatch(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ANN401, N802
        return self._call(EVALUATE_BATCH, request, context)

    def EvaluateStream(self, request_iterator: Any, context: grpc.ServicerContext) -> Any:  # noqa: ANN401, N802
        return self._stream(EVALUATE_STREAM, request_iterator, context)

    def WatchEpoch(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ANN401, N802
        return self._stream(WATCH_EPOCH, iter([request]), context)

    def ReportOutcome(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ANN401, N802
        return self._call(REPORT_OUTCOME, request, context)

    def WhoAmI(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ANN401, N802
        return self._call(WHO_AM_I, request, context)

    def FilterTools(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ANN401, N802
        return self._call(FILTER_TOOLS, request, context)

    def Mint(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ANN401, N802
        return self._call(MINT, request, context)

    def Extend(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ANN401, N802
        return self._call(EXTEND, request, context)

    def Verify(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ANN401, N802
        return self._call(VERIFY, request, context)

    def RegisterAgent(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ANN401, N802
        return self._call(REGISTER_AGENT, request, context)

    def GetAgent(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ANN401, N802
        return self._call(GET_AGENT, request, context)

    def GetToken(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ANN401, N802
        return self._call(GET_TOKEN, request, context)

    def Exchange(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ANN401, N802
        return self._call(EXCHANGE, request, context)

    def RegisterTools(self, request_iterator: Any, context: grpc.ServicerContext) -> Any:  # noqa: ANN401, N802
        return self._call(REGISTER_TOOLS, whole(REGISTER_TOOLS, request_iterator), context)

    def WaitReady(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ANN401, N802
        return self._stream(WAIT_READY, iter([request]), context)


def serve(governd: Answering, server: grpc.Server) -> None:
    """Puts the fake behind a gRPC server."""
    servicer = _Servicer(governd)
    policy_service_pb2_grpc.add_PolicyServiceServicer_to_server(servicer, server)
    identity_service_pb2_grpc.add_IdentityServiceServicer_to_server(servicer, server)
    tool_service_pb2_grpc.add_ToolServiceServicer_to_server(servicer, server)
    delegation_service_pb2_grpc.add_DelegationServiceServicer_to_server(servicer, server)
    agent_service_pb2_grpc.add_AgentServiceServicer_to_server(servicer, server)
    token_service_pb2_grpc.add_TokenServiceServicer_to_server(servicer, server)


def whole(method: Method[Q, A], requests: Iterable[Q]) -> Q:
    """A streamed request in one message."""
    merged = method.request()
    for each in requests:
        merged.MergeFrom(each)
    return merged


def _abort(context: grpc.ServicerContext, status: status_pb2.Status) -> NoReturn:
    context.set_trailing_metadata(((_DETAILS, status.SerializeToString()),))
    code = next(each for each in grpc.StatusCode if each.value[0] == status.code)
    context.abort(code, status.message)
