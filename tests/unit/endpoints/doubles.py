"""Stand-ins for what gRPC hands to the chain: no server, no socket."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

import grpc
import grpc.aio
import structlog
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status
from prometheus_client import CollectorRegistry

from governd.application import call as calls
from governd.application.call import Call
from governd.endpoints.chain import Chain
from governd.endpoints.handlers import Handler, behaviour
from governd.endpoints.limits import Admission
from governd.identity import OPERATOR
from governd.identity.verification import Presented
from governd.observability.metrics import Metrics

MESSAGE_BYTES = 64


class Clock:
    """Time that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Limits:
    """Small numbers for every limit."""

    calls_in_flight: int = 2
    streams: int = 1
    calls_per_second: float = 4.0
    burst: int = 8


@dataclass
class Context:
    """The part of ``grpc.aio.ServicerContext`` that the chain uses."""

    status: tuple[grpc.StatusCode, str, tuple[tuple[str, bytes], ...]] | None = None
    written: list[object] = field(default_factory=list)
    set_to: grpc.StatusCode | int | None = None
    messages: list[bytes] = field(default_factory=list)
    """What the caller sends, to one who reads it from here."""
    held_back: asyncio.Event | None = None
    """What the caller sends comes no sooner."""
    presented: Presented | None = None
    """The certificates of the connection."""
    metadata: tuple[tuple[str, str | bytes], ...] = ()

    async def abort(
        self,
        code: grpc.StatusCode,
        details: str,
        trailing_metadata: tuple[tuple[str, bytes], ...] = (),
    ) -> NoReturn:
        self.status = (code, details, trailing_metadata)
        self.set_to = code
        raise grpc.aio.AbortError

    async def read(self) -> object:
        await (self.held_back.wait() if self.held_back else asyncio.sleep(0))
        return self.messages.pop(0) if self.messages else grpc.aio.EOF

    def auth_context(self) -> dict[str, list[bytes]]:
        if self.presented is None:
            return {"transport_security_type": [b"insecure"]}
        found = {"x509_pem_cert": [self.presented.leaf], "peer_spiffe_id": [b"spiffe://a/forged"]}
        if self.presented.others:
            found["x509_pem_cert_chain"] = [self.presented.others]
        return found

    def invocation_metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        return self.metadata

    async def write(self, message: object) -> None:
        self.written.append(message)

    def code(self) -> grpc.StatusCode | int | None:
        return self.set_to

    @property
    def error_info(self) -> error_details_pb2.ErrorInfo:
        """The ErrorInfo in the status that was sent."""
        assert self.status is not None
        ((_, encoded),) = self.status[2]
        return error_details_pb2.ErrorInfo.FromString(Status.FromString(encoded).details[0].value)


def metrics() -> Metrics:
    return Metrics(CollectorRegistry(), version="test", actions=("tools/call",))


def chain(counted: Metrics | None = None) -> Chain:
    return Chain(
        message_bytes=MESSAGE_BYTES, metrics=counted or metrics(), log=structlog.get_logger("test")
    )


@contextmanager
def a_call() -> Iterator[Call]:
    """A call of the operator at hand."""
    clock = Clock()
    with calls.serving(Call(OPERATOR, None, Admission(Limits(), clock()), clock)) as call:
        yield call


async def run(handler: Handler, request: object, context: Context) -> Any:
    """Calls a handler of any kind as gRPC does, which reads what it is sent by itself."""
    if isinstance(request, bytes):
        context.messages.append(request)
    return await behaviour(handler)(request, context)


async def requests(*messages: bytes) -> AsyncIterator[bytes]:
    for message in messages:
        yield message
