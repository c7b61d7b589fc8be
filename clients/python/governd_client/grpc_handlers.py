"""Handlers of gRPC servers: the one of its four callables that a handler has, replaced."""

import contextvars
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

import grpc

# Quoted: generic for type checkers only.
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"

_BUILDERS: Final = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}


def behaviour_of(handler: Handler) -> Callable[[Any, Any], Any]:
    """What a handler does with a request and its context."""
    kinds = (
        handler.unary_unary,
        handler.unary_stream,
        handler.stream_unary,
        handler.stream_stream,
    )
    return next(kind for kind in kinds if kind is not None)


def rebuilt(handler: Handler, behaviour: Callable[[Any, Any], Any]) -> Handler:
    """The same handler with another behaviour."""
    build = _BUILDERS[bool(handler.request_streaming), bool(handler.response_streaming)]
    return build(behaviour, handler.request_deserializer, handler.response_serializer)


def in_context(context: contextvars.Context, answers: Iterator[Any]) -> Iterator[Any]:
    """Answers that are made one by one, in the context in which the first was asked for.

    gRPC reads them in threads of its own choice, which know nothing of the call.
    """
    end = object()
    while (answer := context.run(next, answers, end)) is not end:
        yield answer
