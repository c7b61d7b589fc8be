"""With which status a ``grpc.aio`` call ended.

A server may end a call whose request is a stream while that is still written. The write then
fails, and grpc.aio makes that the call's end: INTERNAL, before or after the status that the
server sent. Whichever came first is kept here, so that the server's is not lost.
"""

import contextlib
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

import grpc

Value = TypeVar("Value")


@contextlib.contextmanager
def servers_status(call: grpc.aio.Call) -> Iterator[None]:
    """Where reading a call's answers fails, has it fail with what the server said.

    Raises:
        grpc.aio.AioRpcError: The call failed.
    """
    first: list[grpc.aio.AioRpcError] = []
    call.add_done_callback(lambda ended: first.append(_error(ended)))
    try:
        yield
    except grpc.aio.AioRpcError as error:
        if first and _may_be_ours(error) and first[0].code() is not grpc.StatusCode.OK:
            raise first[0] from error
        raise


def _may_be_ours(error: grpc.aio.AioRpcError) -> bool:
    return error.code() is grpc.StatusCode.INTERNAL


def _error(call: Any) -> grpc.aio.AioRpcError:  # noqa: ANN401 - its type knows no code
    trailing, details = _now(call.trailing_metadata()), _now(call.details())
    return grpc.aio.AioRpcError(_now(call.code()), grpc.aio.Metadata(), trailing, details)


def _now(coroutine: Coroutine[Any, Any, Value]) -> Value:
    """What a coroutine that has nothing to wait for returns."""
    try:
        coroutine.send(None)
    except StopIteration as returned:
        value: Value = returned.value
        return value
    coroutine.close()
    message = "a call that is over has no status"
    raise RuntimeError(message)
