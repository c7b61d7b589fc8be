"""The ports over gRPC channels, synchronous and ``grpc.aio``.

A single call waits for a governd that restarts (wait-for-ready, within the deadline), and
questions are retried on UNAVAILABLE, which is safe because asking twice has no effect but a
further record. So they are on CANCELLED: a governd that stops for good ends with it what its
grace was too short for. Nobody who cancels a call is asked again, since that ends the call here.
gRPC does so five times within a second; a governd that says for how long it cannot answer is
asked again after that, see ``governd_client.repeating``.
Streams, reports, registrations of tools and acting-as tokens are not retried here: whoever began
them knows what was left over.
"""

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from typing import Any, Final, Generic, NoReturn, Self

import grpc
from google.protobuf.message import DecodeError, Message

from governd_client.channel import A, CallTerms, Method, Q
from governd_client.errors import CLOSED, MalformedAnswerError, UnavailableError
from governd_client.grpc_status import servers_status
from governd_client.repeating import SAFE, is_safe, repeat, repeat_async
from governd_client.statuses import from_rpc

_SERVICE_CONFIG: Final = {
    "methodConfig": [
        {
            "name": SAFE,
            "retryPolicy": {
                "maxAttempts": 5,
                "initialBackoff": "0.02s",
                "maxBackoff": "0.3s",
                "backoffMultiplier": 3,
                "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
            },
        }
    ]
}
_OPTIONS: Final = (
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
    # gRPC's own pace (1 s, growing to 2 min) is for networks; this is a local socket.
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 500),
    # Two clients in one process share no connection and none of each other's failures.
    ("grpc.use_local_subchannel_pool", 1),
)


class GrpcPort:
    """The port over a synchronous gRPC channel, which connects on the first call."""

    def __init__(self, target: str) -> None:
        """Takes a gRPC target, as ``channel.resolve`` returns it."""
        self._channel = grpc.insecure_channel(target, _OPTIONS)
        self._over = threading.Event()

    def call(self, method: Method[Q, A], request: Q, terms: CallTerms) -> A:
        """Makes one call, again where governd says when, and that is safe."""

        def attempt(terms: CallTerms) -> A:
            return self._answer(method, self._channel.unary_unary, request, terms)

        if not is_safe(method.path):
            return attempt(terms)
        return repeat(attempt, terms, time.monotonic, self._over.wait)

    def send(self, method: Method[Q, A], requests: Sequence[Q], terms: CallTerms) -> A:
        """Makes one call whose request is a stream."""
        return self._answer(method, self._channel.stream_unary, iter(requests), terms)

    def _answer(
        self,
        method: Method[Any, A],
        kind: Callable[..., Callable[..., bytes]],
        request: object,
        terms: CallTerms,
    ) -> A:
        try:
            answer = kind(method.path, _write, bytes)(request, **_options(terms))
        except grpc.RpcError as error:
            raise from_rpc(error) from error
        except ValueError as error:  # what gRPC raises on a closed channel
            _closed(error)
        return _parse(method, answer)

    def stream(self, method: Method[Q, A], requests: Iterator[Q]) -> "_Stream[A]":
        """Begins a streaming call."""
        try:
            call = self._channel.stream_stream(method.path, _write, bytes)
            return _Stream(method, call(requests, wait_for_ready=False))
        except grpc.RpcError as error:
            raise from_rpc(error) from error
        except ValueError as error:
            _closed(error)

    def close(self) -> None:
        """Gives the connection back; what still waits fails."""
        self._channel.close()
        self._over.set()


class _Stream(Generic[A]):
    def __init__(self, method: Method[Any, A], call: Any) -> None:  # noqa: ANN401 - gRPC's
        self._method = method
        self._call = call

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> A:
        try:
            answer = next(self._call)
        except grpc.RpcError as error:
            raise from_rpc(error) from error
        return _parse(self._method, answer)

    def cancel(self) -> None:
        self._call.cancel()


class AsyncGrpcPort:
    """The port over a ``grpc.aio`` channel, bound to the event loop that makes it."""

    def __init__(self, target: str) -> None:
        """Takes a gRPC target, as ``channel.resolve`` returns it."""
        self._channel = grpc.aio.insecure_channel(target, _OPTIONS)
        self._over = asyncio.Event()

    async def call(self, method: Method[Q, A], request: Q, terms: CallTerms) -> A:
        """Makes one call, again where governd says when, and that is safe."""

        async def attempt(terms: CallTerms) -> A:
            return await self._answer(method, self._channel.unary_unary, request, terms)

        if not is_safe(method.path):
            return await attempt(terms)
        return await repeat_async(attempt, terms, time.monotonic, self._pause)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._over.wait()

    async def send(self, method: Method[Q, A], requests: Sequence[Q], terms: CallTerms) -> A:
        """Makes one call whose request is a stream."""
        return await self._answer(method, self._channel.stream_unary, requests, terms)

    async def _answer(
        self,
        method: Method[Any, A],
        kind: Callable[..., Callable[..., Any]],
        request: object,
        terms: CallTerms,
    ) -> A:
        try:
            call = kind(method.path, _write, bytes)(request, **_options(terms))
            with servers_status(call):
                answer = await call
        except grpc.RpcError as error:
            raise from_rpc(error) from error
        except (ValueError, grpc.aio.UsageError) as error:  # on a closed channel
            _closed(error)
        except asyncio.CancelledError as error:
            self._cancelled(error)
        return _parse(method, answer)

    async def stream(
        self, method: Method[Q, A], requests: AsyncIterator[Q]
    ) -> AsyncGenerator[A, None]:
        """Makes a streaming call."""
        call = None
        try:
            begin = self._channel.stream_stream(method.path, _write, bytes)
            call = begin(requests, wait_for_ready=False)
            with servers_status(call):
                async for answer in call:
                    yield _parse(method, answer)
        except grpc.RpcError as error:
            raise from_rpc(error) from error
        except (ValueError, grpc.aio.UsageError) as error:
            _closed(error)
        except asyncio.CancelledError as error:
            self._cancelled(error)
        finally:
            if call is not None:
                call.cancel()

    def _cancelled(self, error: asyncio.CancelledError) -> NoReturn:
        """A channel that closes cancels its calls; whoever waits was not cancelled."""
        task = asyncio.current_task()
        if not self._over.is_set() or task is None or task.cancelling():
            raise error
        _closed(error)

    async def close(self) -> None:
        """Gives the connection back; what still waits fails."""
        self._over.set()
        await self._channel.close()


def _options(terms: CallTerms) -> dict[str, Any]:
    return {
        "timeout": terms["timeout"],
        "metadata": terms["metadata"],
        "wait_for_ready": terms.get("wait_for_ready", True),
    }


def _closed(error: BaseException) -> NoReturn:
    raise UnavailableError(CLOSED) from error


def _write(request: Message) -> bytes:
    return request.SerializeToString()


def _parse(method: Method[Any, A], answer: bytes) -> A:
    """Reads an answer here: ``grpc.aio`` would make None of one that does not parse."""
    try:
        return method.answer.FromString(answer)
    except DecodeError as error:
        message = "the answer does not parse"
        raise MalformedAnswerError(message) from error
