"""Identity, drain and admission, before a message is read."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import grpc
import grpc.aio
import pytest
from google.protobuf.wrappers_pb2 import StringValue

from governd.application import call as calls
from governd.application.call import Call
from governd.endpoints.gate import Use
from governd.endpoints.handlers import Handler
from governd.endpoints.limits import Admissions
from governd.endpoints.methods import Methods
from governd.endpoints.occupant_interceptor import Always, OccupantInterceptor
from governd.identity import Attestation, Caller, SpiffeId
from tests.unit.endpoints.doubles import Clock, Context, Limits, chain, metrics, run

WRITER = Caller(SpiffeId.parse("spiffe://example.org/agent/writer"), Attestation.STATIC)
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@dataclass
class Details:
    method: str = "/test/Unary"
    invocation_metadata: tuple[tuple[str, str | bytes], ...] = ()


class Door:
    """An interceptor with all its parts, and gRPC's way of calling it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.metrics = metrics()
        admissions = Admissions(Limits())
        self.admission = admissions.of(str(WRITER), self.clock())
        self.release = asyncio.Event()
        self.seen: list[Call] = []
        self.interceptor = OccupantInterceptor(
            Always(WRITER),
            methods=Methods([self._register], chain(self.metrics)),
            admissions=admissions,
            metrics=self.metrics,
            clock=self.clock,
        )

    def _register(self, server: Methods) -> None:
        make: dict[str, Callable[..., Handler]] = {
            "Unary": grpc.unary_unary_rpc_method_handler,
            "Stream": grpc.unary_stream_rpc_method_handler,
        }
        codec = (StringValue.FromString, StringValue.SerializeToString)
        handlers = {name: kind(self._serve, *codec) for name, kind in make.items()}
        server.add_registered_method_handlers("test", handlers)

    async def _serve(self, request: StringValue, context: Context) -> StringValue:
        self.seen.append(calls.current())
        await self.release.wait()
        return request

    def call(self, details: Details | None = None) -> "asyncio.Task[Context]":
        return asyncio.ensure_future(self._call(details or Details()))

    async def _call(self, details: Details, held_back: asyncio.Event | None = None) -> Context:
        context = Context(metadata=details.invocation_metadata, held_back=held_back)
        handler = await self.interceptor.intercept_service(_unused, details)
        assert handler.request_streaming, "gRPC would read the message first"
        try:
            await run(handler, b"", context)
        except grpc.aio.AbortError:
            return context
        return context

    def use(self, now: float) -> Use:
        (account,) = self.interceptor.accounts()
        return account.use(now)

    def count(self, method: str, code: str) -> float | None:
        labels = {"method": method, "grpc_code": code}
        return self.metrics.registry.get_sample_value("governd_calls_total", labels)


async def _unused(_details: object) -> Handler:
    raise AssertionError


async def begun(*tasks: Awaitable[object]) -> None:
    """Lets calls run until they wait for their release."""
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
async def door() -> Door:
    return Door()


async def test_the_caller_is_the_listeners_whatever_the_metadata_says(door: Door) -> None:
    forged = (("caller", "spiffe://example.org/admin"), ("spiffe-id", "spiffe://example.org/admin"))
    door.release.set()
    await door.call(Details(invocation_metadata=forged))
    assert door.seen[0].caller is WRITER


async def test_the_trace_context_comes_from_the_metadata(door: Door) -> None:
    door.release.set()
    await door.call(Details(invocation_metadata=(("traceparent", TRACEPARENT),)))
    assert str(door.seen[0].trace) == TRACEPARENT


async def test_a_call_holds_its_place_until_its_task_ends(door: Door) -> None:
    task = door.call()
    await begun()
    assert door.admission.calls == 1
    door.release.set()
    await task
    await begun()
    assert door.admission.calls == 0
    assert door.count("/test/Unary", "OK") == 1


async def test_a_call_whose_message_never_comes_holds_a_place_and_gives_it_back(
    door: Door,
) -> None:
    task = asyncio.ensure_future(door._call(Details(), held_back=asyncio.Event()))
    await begun()
    assert door.admission.calls == 1
    task.cancel()
    await begun()
    assert door.admission.calls == 0
    assert door.count("/test/Unary", "CANCELLED") == 1


async def test_a_call_beyond_a_limit_is_refused_and_takes_no_place(door: Door) -> None:
    tasks = [door.call() for _ in range(Limits().calls_in_flight)]
    await begun()
    refused = await door.call()
    assert refused.error_info.reason == "CONCURRENCY_LIMITED"
    await begun()
    assert door.admission.calls == Limits().calls_in_flight
    assert door.count("/test/Unary", "RESOURCE_EXHAUSTED") == 1
    door.release.set()
    await asyncio.gather(*tasks)


async def test_a_listener_tells_what_came_through_it(door: Door) -> None:
    assert door.use(door.clock()) == (0, 0, 0, None)
    tasks = [door.call() for _ in range(Limits().calls_in_flight)]
    await begun()
    await door.call()
    await begun()
    assert door.use(door.clock() + 3.0) == (2, 0, 1, 3.0)
    door.release.set()
    await asyncio.gather(*tasks)
    await begun()
    assert door.use(door.clock()) == (0, 2, 1, 0.0)


async def test_streams_are_counted_apart(door: Door) -> None:
    stream = door.call(Details("/test/Stream"))
    await begun()
    assert (door.admission.calls, door.admission.streams) == (0, 1)
    refused = await door.call(Details("/test/Stream"))
    assert refused.error_info.reason == "STREAMS_LIMITED"
    door.release.set()
    await stream


async def test_unknown_methods_use_up_the_rate_too(door: Door) -> None:
    for _ in range(Limits().burst):
        await door.call(Details("/nothing"))
        await begun()
    refused = await door.call()
    assert refused.error_info.reason == "RATE_LIMITED"
    assert door.count("other", "UNIMPLEMENTED") == Limits().burst


async def test_a_drain_refuses_new_calls_and_lets_begun_ones_finish(door: Door) -> None:
    task = door.call()
    await begun()
    drain = asyncio.ensure_future(door.interceptor.gate.drain(grace=10.0))
    await begun()
    late = await door.call()
    assert late.error_info.reason == "DRAINING"
    assert not drain.done()
    door.release.set()
    assert (await task).status is None
    assert await drain == 0


async def test_a_drain_ends_streams_with_a_status_that_says_to_come_back(door: Door) -> None:
    task = door.call(Details("/test/Stream"))
    await begun()
    await door.interceptor.gate.drain(grace=10.0)
    assert (await task).error_info.reason == "DRAINING"
    assert door.admission.streams == 0


async def test_what_outlasts_the_grace_period_is_ended_like_a_stream(door: Door) -> None:
    task = door.call()
    await begun()
    assert await door.interceptor.gate.drain(grace=0.0) == 1
    assert (await task).error_info.reason == "DRAINING"
