"""The wire between a client and governd.

A port promises one thing: whatever goes wrong, nothing but a ``GoverndError`` escapes. The
gRPC ports here wait for a governd that restarts (wait-for-ready, within the deadline) and
retry UNAVAILABLE, which is safe because asking twice has no effect but a further record.

The address is an absolute path or ``unix:///path``: from the argument, else the environment
variable ``GOVERND_SOCKET``, else ``/governd/governd.sock``.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypedDict, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message

from governd_client._proto.governd.v1 import identity_service_pb2, policy_service_pb2
from governd_client.errors import MalformedAnswerError, TargetError, UnavailableError, from_rpc

ENVIRONMENT: Final = "GOVERND_SOCKET"
DEFAULT_SOCKET: Final = "/governd/governd.sock"
_MAX_SOCKET_BYTES: Final = 107  # sockaddr_un.sun_path without its final NUL

_SERVICE_CONFIG: Final = {
    "methodConfig": [
        {
            "name": [
                {"service": "governd.v1.PolicyService"},
                {"service": "governd.v1.IdentityService"},
            ],
            "retryPolicy": {
                "maxAttempts": 5,
                "initialBackoff": "0.02s",
                "maxBackoff": "0.3s",
                "backoffMultiplier": 3,
                "retryableStatusCodes": ["UNAVAILABLE"],
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

Q = TypeVar("Q", bound=Message)  # question
A = TypeVar("A", bound=Message)  # answer


class CallTerms(TypedDict):
    """What a call is made on.

    Attributes:
        timeout: Seconds until it fails.
        metadata: Its headers.
    """

    timeout: float
    metadata: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Method(Generic[Q, A]):
    """One call of the API.

    Attributes:
        path: As on the wire.
        request: Type of its request.
        answer: Type of its answer.
    """

    path: str
    request: type[Q]
    answer: type[A]


EVALUATE: Final = Method(
    "/governd.v1.PolicyService/Evaluate",
    policy_service_pb2.EvaluateRequest,
    policy_service_pb2.EvaluateResponse,
)
EVALUATE_BATCH: Final = Method(
    "/governd.v1.PolicyService/EvaluateBatch",
    policy_service_pb2.EvaluateBatchRequest,
    policy_service_pb2.EvaluateBatchResponse,
)
WHO_AM_I: Final = Method(
    "/governd.v1.IdentityService/WhoAmI",
    identity_service_pb2.WhoAmIRequest,
    identity_service_pb2.WhoAmIResponse,
)


class Port(Protocol):
    """How a ``Client`` reaches governd. Raises nothing but ``GoverndError``."""

    def call(self, method: Method[Q, A], request: Q, terms: CallTerms) -> A:
        """Makes one call."""

    def close(self) -> None:
        """Gives the connection back."""


class AsyncPort(Protocol):
    """How an ``AsyncClient`` reaches governd. Raises nothing but ``GoverndError``."""

    async def call(self, method: Method[Q, A], request: Q, terms: CallTerms) -> A:
        """Makes one call."""

    async def close(self) -> None:
        """Gives the connection back."""


class GrpcPort:
    """The port over a synchronous gRPC channel, which connects on the first call."""

    def __init__(self, target: str) -> None:
        """Takes a gRPC target, as ``resolve`` returns it."""
        self._channel = grpc.insecure_channel(target, _OPTIONS)

    def call(self, method: Method[Q, A], request: Q, terms: CallTerms) -> A:
        """Makes one call."""
        try:
            call = self._channel.unary_unary(method.path, _write, bytes)
            answer = call(request, **terms, wait_for_ready=True)
        except grpc.RpcError as error:
            raise from_rpc(error) from error
        except ValueError as error:  # what gRPC raises on a closed channel
            message = "the client is closed"
            raise UnavailableError(message) from error
        return _parse(method, answer)

    def close(self) -> None:
        """Gives the connection back."""
        self._channel.close()


class AsyncGrpcPort:
    """The port over a ``grpc.aio`` channel, bound to the event loop that makes it."""

    def __init__(self, target: str) -> None:
        """Takes a gRPC target, as ``resolve`` returns it."""
        self._channel = grpc.aio.insecure_channel(target, _OPTIONS)

    async def call(self, method: Method[Q, A], request: Q, terms: CallTerms) -> A:
        """Makes one call."""
        try:
            call = self._channel.unary_unary(method.path, _write, bytes)
            answer = await call(request, **terms, wait_for_ready=True)
        except grpc.RpcError as error:
            raise from_rpc(error) from error
        except (ValueError, grpc.aio.UsageError) as error:  # on a closed channel
            message = "the client is closed"
            raise UnavailableError(message) from error
        return _parse(method, answer)

    async def close(self) -> None:
        """Gives the connection back."""
        await self._channel.close()


def _write(request: Message) -> bytes:
    return request.SerializeToString()


def _parse(method: Method[Q, A], answer: bytes) -> A:
    """Reads an answer here: ``grpc.aio`` would make None of one that does not parse."""
    try:
        return method.answer.FromString(answer)
    except DecodeError as error:
        message = "the answer does not parse"
        raise MalformedAnswerError(message) from error


def resolve(target: str | None, environ: Mapping[str, str] = os.environ) -> str:
    """The gRPC target for an address.

    Args:
        target: An absolute path or a ``unix://`` URI; ``None`` to take the environment's.
        environ: The environment.

    Raises:
        TargetError: The address is neither, or longer than a socket's path can be.
    """
    address = target if target is not None else environ.get(ENVIRONMENT) or DEFAULT_SOCKET
    path = address.removeprefix("unix://")
    if not path.startswith("/"):
        message = f"target: expected an absolute path or unix:///path, got {address!r}"
        raise TargetError(message, field="target")
    if len(os.fsencode(path)) > _MAX_SOCKET_BYTES:
        message = f"target: the path of a socket has at most {_MAX_SOCKET_BYTES} bytes"
        raise TargetError(message, field="target")
    return f"unix://{path}"
