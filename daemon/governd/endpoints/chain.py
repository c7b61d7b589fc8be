"""What stands around every servicer.

In order; admission and the caller come before it, in ``interceptor.py``:

1. the message's size is checked, and only then is it parsed;
2. the servicer runs;
3. its answer is serialised here, so that a wrong type is a logged fault, not a leak;
4. whatever was raised becomes a status (``status.py``).

A chain knows no caller: that travels in the call (``calls.py``). So one wrapped handler
for each method serves all listeners.

Servicers of streams read requests from their iterator, not with ``context.read``.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NoReturn, TypeAlias, TypeVar, cast

import grpc
import grpc.aio
from google.protobuf.message import DecodeError
from structlog.typing import FilteringBoundLogger

from governd.application import call as calls
from governd.application.call import Call
from governd.endpoints import status
from governd.errors import DrainingError, GoverndError, MessageTooLargeError, RequestError
from governd.observability.log_keys import Key
from governd.observability.metrics import Metrics

Answer = TypeVar("Answer")
# gRPC's handlers are generic over messages that only the generated code knows.
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Reader = Callable[[Any], Any]
Parser = Callable[[bytes], Any]
Serialiser = Callable[[Any], bytes]

DRAIN_RETRY_SECONDS = 0.5
"""A successor answers on the same path within about this time."""

_CODE_NAMES: dict[object, str] = {code.value[0]: code.name for code in grpc.StatusCode}
_CODE_NAMES[None] = grpc.StatusCode.OK.name


class FaultError(GoverndError):
    """Something that should never have been raised; its reason, INTERNAL, tells no more."""


class Chain:
    """Wraps handlers and makes those that refuse."""

    def __init__(self, *, message_bytes: int, metrics: Metrics, log: FilteringBoundLogger) -> None:
        """Takes what the links need.

        Args:
            message_bytes: The largest message that is parsed.
            metrics: Counts refusals.
            log: Told of faults, with their traceback.
        """
        self._message_bytes = message_bytes
        self._metrics = metrics
        self._log = log

    def wrap(self, name: str, handler: Handler) -> Handler:
        """The chain around ``handler``, of the same one of gRPC's four kinds.

        Args:
            name: The full method, for logs.
            handler: As generated code registers it.
        """
        read = self._reader(handler)
        if handler.response_streaming:
            return self._wrap_stream(name, handler, read)
        return self._wrap_unary(name, handler, read)

    def refusal(self, error: GoverndError) -> Handler:
        """A handler that refuses a call before its message is read."""

        async def refuse(_requests: object, context: Context) -> None:
            await self._abort(calls.current(), context, error)

        return immediate(refuse)

    def _wrap_unary(self, name: str, handler: Handler, read: Reader) -> Handler:
        servicer = behaviour(handler)
        serialise = cast("Serialiser", handler.response_serializer)

        async def work(request: object, context: Context) -> bytes:
            return serialise(await servicer(read(request), context))

        async def guarded(request: object, context: Context) -> bytes:
            return await self._guard(name, context, work(request, context))

        if handler.request_streaming:
            return grpc.stream_unary_rpc_method_handler(guarded)
        return grpc.unary_unary_rpc_method_handler(guarded)

    def _wrap_stream(self, name: str, handler: Handler, read: Reader) -> Handler:
        servicer = behaviour(handler)

        async def work(request: object, context: Context) -> None:
            answers = servicer(read(request), context)
            if hasattr(answers, "__aiter__"):
                async for answer in answers:
                    await context.write(answer)
            else:  # a servicer that writes to the context itself, as grpc_health's does
                await answers

        async def guarded(request: object, context: Context) -> None:
            await self._guard(name, context, work(request, context))

        if handler.request_streaming:
            make = grpc.stream_stream_rpc_method_handler
        else:
            make = grpc.unary_stream_rpc_method_handler
        return make(guarded, None, handler.response_serializer)

    def _reader(self, handler: Handler) -> Reader:
        """Parses one message, or each of a stream's."""
        parser = cast("Parser", handler.request_deserializer)

        def read(raw: bytes) -> object:
            return self._parse(parser, raw)

        async def read_each(requests: AsyncIterator[bytes]) -> AsyncIterator[object]:
            async for raw in requests:
                yield self._parse(parser, raw)

        return read_each if handler.request_streaming else read

    def _parse(self, parser: Parser, raw: bytes) -> object:
        if len(raw) > self._message_bytes:
            message = f"the message has {len(raw)} bytes, more than {self._message_bytes}"
            metadata = {"limit_bytes": str(self._message_bytes)}
            raise MessageTooLargeError(message, metadata=metadata)
        try:
            return parser(raw)
        except DecodeError as error:
            message = "the message does not parse as the method's request"
            raise RequestError(message) from error

    async def _guard(self, name: str, context: Context, work: Awaitable[Answer]) -> Answer:
        """Makes a status of whatever ``work`` raises."""
        call = calls.current()
        try:
            answer = await work
        except GoverndError as error:
            await self._abort(call, context, error)
        except asyncio.CancelledError:
            if not _ended_by_drain(call):
                raise
            await self._abort(call, context, draining())
        except grpc.aio.BaseError:
            # The servicer's own abort, whose status is sent, or a caller that is gone.
            call.code = _code_name(context)
            raise
        except Exception:  # noqa: BLE001  the one place where a fault becomes INTERNAL
            self._log.exception("call failed", **{Key.METHOD: name})
            await self._abort(call, context, FaultError("fault"))
        call.code = _code_name(context)
        return answer

    async def _abort(self, call: Call, context: Context, error: GoverndError) -> NoReturn:
        wire = status.to_wire(error)
        call.code = wire.code.name
        self._metrics.refused(wire.reason)
        await context.abort(wire.code, wire.message, wire.trailers)


def _ended_by_drain(call: Call) -> bool:
    """Whether our own drain cancelled the call; if so, its task may go on."""
    task = asyncio.current_task()
    if not call.draining or task is None:
        return False
    task.uncancel()
    return True


def draining() -> DrainingError:
    """What a call gets that came too late, or a stream that is ended early."""
    return DrainingError("governd is shutting down", retry_after=DRAIN_RETRY_SECONDS)


def behaviour(handler: Handler) -> Callable[..., Any]:
    """The servicer's function in a handler, of whichever of the four kinds it is."""
    if handler.response_streaming:
        found = handler.stream_stream if handler.request_streaming else handler.unary_stream
    else:
        found = handler.stream_unary if handler.request_streaming else handler.unary_unary
    return cast("Callable[..., Any]", found)


def immediate(answer: "Callable[[Any, Context], Awaitable[None]]") -> Handler:
    """A handler that runs before any message is read.

    gRPC waits for the message of a unary call before it calls a handler, and never for
    a stream's. On the wire both look the same.
    """
    return grpc.stream_stream_rpc_method_handler(answer)


def _code_name(context: Context) -> str:
    """Name of the status code set so far, which gRPC keeps in three forms."""
    code: object = context.code()
    return code.name if isinstance(code, grpc.StatusCode) else _CODE_NAMES.get(code, "UNKNOWN")
