"""What stands around every servicer.

In order:

1. the listener's entry finds out who calls, and admits the call (``interceptor.py``);
2. the message is read, its size is checked, and only then is it parsed;
3. the servicer runs;
4. its answer is serialised here, so that a wrong type is a logged fault, not a leak;
5. whatever was raised becomes a status (``status.py``).

A chain knows no caller: that travels in the call (``calls.py``). So one wrapped handler
for each method serves all listeners.

Servicers of streams read requests from their iterator, not with ``context.read``.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NoReturn, TypeVar, cast

import grpc
import grpc.aio
from google.protobuf.message import DecodeError
from structlog.typing import FilteringBoundLogger

from governd.application import call as calls
from governd.application.call import Call
from governd.endpoints import status
from governd.endpoints.handlers import Context, Handler, behaviour, only_message
from governd.errors import DrainingError, GoverndError, MessageTooLargeError, RequestError
from governd.observability.log_keys import Key
from governd.observability.metrics import Metrics

Answer = TypeVar("Answer")
Reader = Callable[[Any], Any]
Work = Callable[[Any, Context], Awaitable[Any]]
Parser = Callable[[bytes], Any]
Serialiser = Callable[[Any], bytes]
Enter = Callable[[Context], None]
"""Finds out who calls and admits the call; raises what refuses it."""

DRAIN_RETRY_SECONDS = 0.5
"""A successor answers on the same path within about this time."""

_CODE_NAMES: dict[object, str] = {code.value[0]: code.name for code in grpc.StatusCode}
_CODE_NAMES[None] = grpc.StatusCode.OK.name


class FaultError(GoverndError):
    """Something that should never have been raised; its reason, INTERNAL, tells no more."""


class Chain:
    """Wraps handlers."""

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

    def wrap(self, enter: Enter, name: str, handler: Handler) -> Handler:
        """The chain around ``handler``.

        To gRPC it is a stream's, whatever ``handler`` is, so that it runs before any message
        is read and whoever ends the call meets the guard: gRPC's own reading swallows a
        cancellation, and then no status is sent.

        Args:
            enter: Runs before any message is read, and may refuse.
            name: The full method, for logs.
            handler: As generated code registers it.
        """
        work = self._work(handler)

        async def read_and_work(requests: object, context: Context) -> object:
            one = requests if handler.request_streaming else await only_message(context)
            return await work(one, context)

        async def guarded(requests: object, context: Context) -> object:
            await self._enter(name, enter, context)
            return await self._guard(name, context, read_and_work(requests, context))

        if handler.response_streaming:
            serialiser = handler.response_serializer
            return grpc.stream_stream_rpc_method_handler(guarded, None, serialiser)
        return grpc.stream_unary_rpc_method_handler(guarded)

    def _work(self, handler: Handler) -> Work:
        """Parses, calls the servicer, and serialises."""
        read, servicer = self._reader(handler), behaviour(handler)
        serialise = cast("Serialiser", handler.response_serializer)

        async def one(request: object, context: Context) -> bytes:
            return serialise(await servicer(read(request), context))

        async def many(request: object, context: Context) -> None:
            answers = servicer(read(request), context)
            if hasattr(answers, "__aiter__"):
                call = calls.current()
                async for answer in answers:
                    call.writing = True
                    await context.write(answer)
                    call.writing = False
                    if call.ending is not None:
                        raise call.ending
            else:  # a servicer that writes to the context itself, as grpc_health's does
                await answers

        return many if handler.response_streaming else one

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

    async def _enter(self, name: str, enter: Enter, context: Context) -> None:
        """Makes a status of whatever ``enter`` raises."""
        try:
            enter(context)
        except GoverndError as error:
            await self._abort(calls.at_hand(), context, error)
        except Exception:  # noqa: BLE001  a fault here must not become gRPC's own words
            self._log.exception("call failed", **{Key.METHOD: name})
            await self._abort(calls.at_hand(), context, FaultError("fault"))

    async def _guard(self, name: str, context: Context, work: Awaitable[Answer]) -> Answer:
        """Makes a status of whatever ``work`` raises."""
        call = calls.current()
        try:
            answer = await work
        except GoverndError as error:
            await self._abort(call, context, error)
        except asyncio.CancelledError:
            why = _ended_by_us(call)
            if why is None:
                raise
            await self._abort(call, context, why)
        except grpc.aio.BaseError:
            # The servicer's own abort, whose status is sent, or a caller that is gone.
            call.code = _code_name(context)
            raise
        except Exception:  # noqa: BLE001  the one place where a fault becomes INTERNAL
            self._log.exception("call failed", **{Key.METHOD: name})
            await self._abort(call, context, FaultError("fault"))
        call.code = _code_name(context)
        return answer

    async def _abort(self, call: Call | None, context: Context, error: GoverndError) -> NoReturn:
        wire = status.to_wire(error)
        if call is not None:
            call.code = wire.code.name
        self._metrics.refused(wire.reason)
        await context.abort(wire.code, wire.message, wire.trailers)


def _ended_by_us(call: Call) -> GoverndError | None:
    """Why we cancelled the call ourselves; if we did, its task may go on."""
    task = asyncio.current_task()
    if call.ending is None or task is None:
        return None
    task.uncancel()
    return call.ending


def draining() -> DrainingError:
    """What a call gets that came too late, or a stream that is ended early."""
    return DrainingError("governd is shutting down", retry_after=DRAIN_RETRY_SECONDS)


def _code_name(context: Context) -> str:
    """Name of the status code set so far, which gRPC keeps in three forms."""
    code: object = context.code()
    return code.name if isinstance(code, grpc.StatusCode) else _CODE_NAMES.get(code, "UNKNOWN")
