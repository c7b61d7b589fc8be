"""gRPC's handlers: of which kind they are, and when they run.

gRPC waits for the message of a unary call before it calls a handler, and never for a
stream's. On the wire both look the same. So a handler that has something to do before the
message is read is registered as a stream's.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, cast

import grpc
import grpc.aio

from governd.errors import RequestError

# gRPC's handlers are generic over messages that only the generated code knows.
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

_ENDED_SECONDS = 0.05
"""gRPC says "no message" of one that is too large for it, too, and then ends the call."""


def behaviour(handler: Handler) -> Callable[..., Any]:
    """The servicer's function in a handler, of whichever of the four kinds it is."""
    if handler.response_streaming:
        found = handler.stream_stream if handler.request_streaming else handler.unary_stream
    else:
        found = handler.stream_unary if handler.request_streaming else handler.unary_unary
    return cast("Callable[..., Any]", found)


def immediate(answer: "Callable[[Any, Context], Awaitable[None]]") -> Handler:
    """A handler that runs before any message is read."""
    return grpc.stream_stream_rpc_method_handler(answer)


async def only_message(context: Context) -> bytes:
    """The message of a unary call that is served as a stream.

    Raises:
        RequestError: The caller sent none.
    """
    message: object = await context.read()
    if not isinstance(message, bytes):  # gRPC's mark for the end of a stream
        await asyncio.sleep(_ENDED_SECONDS)
        why = "expected one message, there is none"
        raise RequestError(why)
    return message
