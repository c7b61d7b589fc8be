"""A real listener on a real socket, with a servicer whose answer a test sets."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias, cast

import grpc
import grpc.aio
import structlog
from google.protobuf.wrappers_pb2 import StringValue
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status
from prometheus_client import CollectorRegistry

from governd.endpoints.chain import Chain
from governd.endpoints.gate import Use
from governd.endpoints.health import Health, reflection_of
from governd.endpoints.limits import Admission, Admissions
from governd.endpoints.listener import Listener, channel_options
from governd.endpoints.methods import Methods
from governd.endpoints.occupant_interceptor import Always, OccupantInterceptor
from governd.endpoints.places import SocketPlace
from governd.identity import Attestation, Caller, SpiffeId
from governd.observability.metrics import Metrics

WRITER = Caller(SpiffeId.parse("spiffe://example.org/agent/writer"), Attestation.STATIC)
UNARY = "/test.Echo/Unary"
WATCH = "/test.Echo/Watch"
STREAM = "/test.Echo/Stream"


@dataclass(frozen=True)
class Limits:
    """Generous numbers; a test lowers the one it is about."""

    message_bytes: int = 4096
    connections: int = 16
    streams_per_connection: int = 64
    metadata_bytes: int = 16_384
    calls_in_flight: int = 64
    streams: int = 16
    calls_per_second: float = 100_000.0
    burst: int = 100_000


async def echo(text: str) -> str:
    """Answers what it was asked."""
    return text


@dataclass
class Echo:
    """A service of one unary method, one with a stream of answers, and one of both."""

    answer: Callable[[str], Awaitable[str]] = echo
    begun: int = 0
    first_begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def unary(self, request: StringValue, context: object) -> StringValue:
        self.begun += 1
        self.first_begun.set()
        return StringValue(value=await self.answer(request.value))

    async def watch(self, request: StringValue, context: object) -> AsyncIterator[StringValue]:
        yield await self.unary(request, context)

    async def stream(
        self, requests: AsyncIterator[StringValue], context: object
    ) -> AsyncIterator[StringValue]:
        async for request in requests:
            yield await self.unary(request, context)

    def register(self, server: Methods) -> None:
        """What generated code does."""
        codec = (StringValue.FromString, StringValue.SerializeToString)
        server.add_registered_method_handlers(
            "test.Echo",
            {
                "Unary": grpc.unary_unary_rpc_method_handler(self.unary, *codec),
                "Watch": grpc.unary_stream_rpc_method_handler(self.watch, *codec),
                "Stream": grpc.stream_stream_rpc_method_handler(self.stream, *codec),
            },
        )


@dataclass
class Door:
    """A listener and what stands behind it."""

    listener: Listener
    path: Path
    admission: Admission
    metrics: Metrics
    health: Health
    echo: Echo

    @property
    def target(self) -> str:
        return f"unix:{self.path}"

    def channel(self) -> grpc.aio.Channel:
        """A channel with a connection of its own."""
        return grpc.aio.insecure_channel(
            self.target, options=[("grpc.use_local_subchannel_pool", 1)]
        )

    def calls_in_flight(self) -> int:
        """Calls in flight."""
        return self.admission.calls

    def use(self, now: float) -> Use:
        """What came through so far."""
        (account,) = self.listener.accounts()
        return account.use(now)

    def count(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


async def build_door(path: Path, limits: Limits, servicer: Echo, mode: int = 0o660) -> Door:
    """Wires a listener as the composition root does; it is not started yet."""
    metrics = Metrics(CollectorRegistry(), version="test", actions=())
    health = await Health.create(gated=["test.Echo"], standing=["test.Standing"])
    chain = Chain(
        message_bytes=limits.message_bytes, metrics=metrics, log=structlog.get_logger("test")
    )
    methods = Methods([servicer.register, health.register, reflection_of(["test.Echo"])], chain)
    admissions = Admissions(limits)
    admission = admissions.of(str(WRITER), time.monotonic())
    interceptor = OccupantInterceptor(
        Always(WRITER),
        methods=methods,
        admissions=admissions,
        metrics=metrics,
        clock=time.monotonic,
    )
    place = SocketPlace(path, mode)
    listener = Listener("writer", place, interceptor=interceptor, options=channel_options(limits))
    return Door(listener, path, admission, metrics, health, servicer)


Send: TypeAlias = "Callable[..., grpc.aio.UnaryUnaryCall[bytes, bytes]]"
OpenStream: TypeAlias = "Callable[..., grpc.aio.StreamStreamCall[bytes, bytes]]"
Stream: TypeAlias = "grpc.aio.StreamStreamCall[bytes, bytes]"


def unary(channel: grpc.aio.Channel, method: str = UNARY) -> Send:
    """A unary method that takes whatever bytes it is given."""
    return cast("Send", channel.unary_unary(method))


def stream(channel: grpc.aio.Channel, method: str = STREAM) -> Stream:
    """Opens a bidirectional stream."""
    return cast("OpenStream", channel.stream_stream(method))()


async def read(call: Stream) -> str:
    """The next answer of a stream."""
    answer = await call.read()
    assert isinstance(answer, bytes)
    return StringValue.FromString(answer).value


def message(text: str) -> bytes:
    return StringValue(value=text).SerializeToString()


async def ask(channel: grpc.aio.Channel, text: str = "hello", seconds: float = 5.0) -> str:
    """One unary call."""
    answer = await unary(channel)(message(text), timeout=seconds)
    return StringValue.FromString(answer).value


@dataclass(frozen=True)
class Refusal:
    """How a call was refused."""

    code: grpc.StatusCode
    reason: str
    metadata: dict[str, str]
    retry_after: float | None


def refusal(error: grpc.aio.AioRpcError) -> Refusal:
    """What a client can read out of an error."""
    trailers = dict(error.trailing_metadata())
    found = Status.FromString(trailers.get("grpc-status-details-bin", b""))
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    delay = None
    for detail in found.details:
        detail.Unpack(info)
        if detail.Unpack(retry):
            delay = retry.retry_delay.ToMicroseconds() / 1e6
    return Refusal(error.code(), info.reason, dict(info.metadata), delay)


async def refused(call: Awaitable[object]) -> Refusal:
    """Awaits a call that must fail."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return refusal(error)
    why = "the call was answered"
    raise AssertionError(why)


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Waits until something that happens elsewhere has happened."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.005)


OpenDoor = Callable[..., Awaitable[Door]]
