"""What lies between a client and governd: its address, its calls, and a port to it.

A port promises one thing: whatever goes wrong, nothing but a ``GoverndError`` escapes.
``governd_client.grpc_port`` has the real ones.

The address is an absolute path or ``unix:///path``: from the argument, else the environment
variable ``GOVERND_SOCKET``, else ``/governd/governd.sock``.
"""

import os
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, NotRequired, Protocol, Self, TypedDict, TypeVar

from google.protobuf.message import Message

from governd_client._proto.governd.v1 import (
    agent_service_pb2,
    delegation_service_pb2,
    identity_service_pb2,
    policy_service_pb2,
    token_service_pb2,
    tool_service_pb2,
)
from governd_client.errors import TargetError

ENVIRONMENT: Final = "GOVERND_SOCKET"
DEFAULT_SOCKET: Final = "/governd/governd.sock"
_MAX_SOCKET_BYTES: Final = 107  # sockaddr_un.sun_path without its final NUL

Q = TypeVar("Q", bound=Message)  # question
A = TypeVar("A", bound=Message)  # answer
A_co = TypeVar("A_co", bound=Message, covariant=True)


class CallTerms(TypedDict):
    """What a call is made on.

    Attributes:
        timeout: Seconds until it fails.
        metadata: Its headers.
        wait_for_ready: Whether it waits for a governd that is away; so unless it says no.
    """

    timeout: float
    metadata: tuple[tuple[str, str], ...]
    wait_for_ready: NotRequired[bool]


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
EVALUATE_STREAM: Final = Method(
    "/governd.v1.PolicyService/EvaluateStream",
    policy_service_pb2.EvaluateStreamRequest,
    policy_service_pb2.EvaluateStreamResponse,
)
WATCH_EPOCH: Final = Method(
    "/governd.v1.PolicyService/WatchEpoch",
    policy_service_pb2.WatchEpochRequest,
    policy_service_pb2.WatchEpochResponse,
)
REPORT_OUTCOME: Final = Method(
    "/governd.v1.PolicyService/ReportOutcome",
    policy_service_pb2.ReportOutcomeRequest,
    policy_service_pb2.ReportOutcomeResponse,
)
WHO_AM_I: Final = Method(
    "/governd.v1.IdentityService/WhoAmI",
    identity_service_pb2.WhoAmIRequest,
    identity_service_pb2.WhoAmIResponse,
)
WAIT_READY: Final = Method(
    "/governd.v1.IdentityService/WaitReady",
    identity_service_pb2.WaitReadyRequest,
    identity_service_pb2.WaitReadyResponse,
)
FILTER_TOOLS: Final = Method(
    "/governd.v1.ToolService/FilterTools",
    tool_service_pb2.FilterToolsRequest,
    tool_service_pb2.FilterToolsResponse,
)
REGISTER_TOOLS: Final = Method(
    "/governd.v1.ToolService/RegisterTools",
    tool_service_pb2.RegisterToolsRequest,
    tool_service_pb2.RegisterToolsResponse,
)
MINT: Final = Method(
    "/governd.v1.DelegationService/Mint",
    delegation_service_pb2.MintRequest,
    delegation_service_pb2.MintResponse,
)
EXTEND: Final = Method(
    "/governd.v1.DelegationService/Extend",
    delegation_service_pb2.ExtendRequest,
    delegation_service_pb2.ExtendResponse,
)
VERIFY: Final = Method(
    "/governd.v1.DelegationService/Verify",
    delegation_service_pb2.VerifyRequest,
    delegation_service_pb2.VerifyResponse,
)
REGISTER_AGENT: Final = Method(
    "/governd.v1.AgentService/RegisterAgent",
    agent_service_pb2.RegisterAgentRequest,
    agent_service_pb2.RegisterAgentResponse,
)
GET_AGENT: Final = Method(
    "/governd.v1.AgentService/GetAgent",
    agent_service_pb2.GetAgentRequest,
    agent_service_pb2.GetAgentResponse,
)
GET_TOKEN: Final = Method(
    "/governd.v1.TokenService/GetToken",
    token_service_pb2.GetTokenRequest,
    token_service_pb2.GetTokenResponse,
)
EXCHANGE: Final = Method(
    "/governd.v1.TokenService/Exchange",
    token_service_pb2.ExchangeRequest,
    token_service_pb2.ExchangeResponse,
)


class Stream(Protocol[A_co]):
    """The answers of a streaming call, as they come. Raises nothing but ``GoverndError``."""

    def __iter__(self) -> Self:
        """Returns the stream itself."""

    def __next__(self) -> A_co:
        """Waits for the next answer."""

    def cancel(self) -> None:
        """Ends the call, from any thread: whoever waits for an answer gets an error."""


class Port(Protocol):
    """How a ``Client`` reaches governd. Raises nothing but ``GoverndError``."""

    def call(self, method: Method[Q, A], request: Q, terms: CallTerms) -> A:
        """Makes one call."""

    def send(self, method: Method[Q, A], requests: Sequence[Q], terms: CallTerms) -> A:
        """Makes one call whose request is a stream: all of them, then the one answer."""

    def stream(self, method: Method[Q, A], requests: Iterator[Q]) -> Stream[A]:
        """Begins a streaming call: it fails where governd is away, and has no deadline.

        ``requests`` is read in a thread of its own and must end when the stream does.
        """

    def close(self) -> None:
        """Gives the connection back; what still waits fails."""


class AsyncPort(Protocol):
    """How an ``AsyncClient`` reaches governd. Raises nothing but ``GoverndError``."""

    async def call(self, method: Method[Q, A], request: Q, terms: CallTerms) -> A:
        """Makes one call."""

    async def send(self, method: Method[Q, A], requests: Sequence[Q], terms: CallTerms) -> A:
        """Makes one call whose request is a stream: all of them, then the one answer."""

    def stream(self, method: Method[Q, A], requests: AsyncIterator[Q]) -> AsyncGenerator[A, None]:
        """A streaming call: it fails where governd is away, and has no deadline.

        It ends with the generator or with the task that reads it.
        """

    async def close(self) -> None:
        """Gives the connection back; what still waits fails."""


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
