"""Identity, drain and admission by certificate, before a message is read."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import grpc
import grpc.aio
import pytest
import structlog
from google.protobuf.wrappers_pb2 import StringValue

from governd.application import call as calls
from governd.application.call import Call
from governd.endpoints import handlers, peer_interceptor
from governd.endpoints.limits import Admissions
from governd.endpoints.methods import Methods
from governd.endpoints.peer import Peers
from governd.endpoints.peer_interceptor import PeerInterceptor
from governd.identity.verification import Verifier
from governd.identity.x509_rules import der_of, thumbprint
from tests.fakes.authority import HOUR, NOON, Authority
from tests.unit.endpoints.doubles import Clock, Context, Limits, chain, metrics, requests, run

WRITER = "spiffe://example.org/agent/writer"
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
OURS = Authority("example.org")
HELLO = StringValue(value="hello").SerializeToString()


@dataclass
class Details:
    method: str
    invocation_metadata: tuple[tuple[str, str | bytes], ...] = ()


class Door:
    """An interceptor with all its parts, and gRPC's way of calling it."""

    def __init__(self) -> None:
        self.now = NOON
        self.clock = Clock()
        self.metrics = metrics()
        self.verifier = Verifier({"example.org": OURS.bundle})
        self.release = asyncio.Event()
        self.seen: list[Call] = []
        peers = Peers(
            self.verifier,
            Admissions(Limits()),
            listener="front",
            trust_domains=("example.org",),
            allowed_ids=(),
            wall_clock=lambda: self.now,
            clock=self.clock,
        )
        self.interceptor = PeerInterceptor(
            peers,
            methods=Methods([self._register], chain(self.metrics)),
            metrics=self.metrics,
            clock=self.clock,
        )

    def _register(self, server: Methods) -> None:
        codec = (StringValue.FromString, StringValue.SerializeToString)
        server.add_registered_method_handlers(
            "test",
            {
                "Unary": grpc.unary_unary_rpc_method_handler(self._unary, *codec),
                "Watch": grpc.unary_stream_rpc_method_handler(self._watch, *codec),
                "Collect": grpc.stream_unary_rpc_method_handler(self._collect, *codec),
                "Stream": grpc.stream_stream_rpc_method_handler(self._stream, *codec),
            },
        )

    async def _unary(self, request: StringValue, context: Context) -> StringValue:
        self.seen.append(calls.current())
        await self.release.wait()
        return request

    async def _watch(self, request: StringValue, context: Context) -> AsyncIterator[StringValue]:
        yield await self._unary(request, context)

    async def _collect(self, each: AsyncIterator[StringValue], context: Context) -> StringValue:
        return StringValue(value="".join([one.value async for one in each]))

    async def _stream(
        self, each: AsyncIterator[StringValue], context: Context
    ) -> AsyncIterator[StringValue]:
        async for one in each:
            yield await self._unary(one, context)

    def call(self, context: Context, method: str = "Unary") -> "asyncio.Task[object]":
        return asyncio.ensure_future(self._call(context, method))

    async def _call(self, context: Context, method: str) -> object:
        details = Details(f"/test/{method}")
        handler = await self.interceptor.intercept_service(_unused, details)
        assert handler.request_streaming, "gRPC would read the message first"
        try:
            return await run(handler, requests(*context.messages), context)
        except grpc.aio.AbortError:
            assert context.status is not None
            code, _, trailers = context.status
            return context.error_info.reason if trailers else code.name

    def count(self, code: str, method: str = "/test/Unary") -> float:
        labels = {"method": method, "grpc_code": code}
        return self.metrics.registry.get_sample_value("governd_calls_total", labels) or 0.0


async def _unused(_details: object) -> None:
    raise AssertionError


async def begun() -> None:
    """Lets calls run until they wait for their release."""
    for _ in range(8):
        await asyncio.sleep(0)


def writers(*messages: bytes, uri: str = WRITER, **others: object) -> Context:
    """A call on a connection with the writer's certificate."""
    presented = OURS.issue(uri).presented
    return Context(messages=list(messages), presented=presented, **others)  # type: ignore[arg-type]  # what a test says


@pytest.fixture
async def door() -> Door:
    return Door()


async def test_the_caller_is_that_of_the_connection(door: Door) -> None:
    door.release.set()
    forged = (("spiffe-id", "spiffe://example.org/admin"), ("traceparent", TRACEPARENT))
    context = writers(HELLO, metadata=forged)
    assert await door.call(context) == HELLO
    (call,) = door.seen
    assert str(call.workload.spiffe_id) == WRITER
    assert context.presented is not None
    assert call.certificate == thumbprint(der_of(context.presented.leaf)[0])
    assert str(call.trace) == TRACEPARENT
    await begun()
    assert door.count("OK") == 1


async def test_every_kind_of_method_begins_with_identity(door: Door) -> None:
    door.release.set()
    assert (
        await door.call(writers(HELLO, HELLO), "Collect")
        == StringValue(value="hellohello").SerializeToString()
    )
    for method in ("Watch", "Stream"):
        context = writers(HELLO)
        await door.call(context, method)
        assert [one.value for one in context.written] == ["hello"]  # type: ignore[attr-defined]  # messages
    for method in ("Unary", "Watch", "Collect", "Stream", "Nothing"):
        assert await door.call(Context(messages=[HELLO]), method) == "CALLER_UNVERIFIED"
    assert len(door.seen) == 2


async def test_a_caller_that_is_nobody_is_refused_before_its_message_is_read(door: Door) -> None:
    context = writers(HELLO, uri="spiffe://example.org")
    assert await door.call(context) == "CALLER_UNVERIFIED"
    assert context.messages == [HELLO]
    assert (door.seen, list(door.interceptor.accounts())) == ([], [])
    assert door.count("UNAUTHENTICATED") == 1
    refusals = door.metrics.registry.get_sample_value
    assert refusals("governd_refusals_total", {"reason": "CALLER_UNVERIFIED"}) == 1


async def test_a_caller_beyond_a_limit_is_refused_before_its_message_is_read(door: Door) -> None:
    held = [door.call(writers(HELLO)) for _ in range(Limits().calls_in_flight)]
    await begun()
    context = writers(HELLO)
    assert await door.call(context) == "CONCURRENCY_LIMITED"
    assert context.messages == [HELLO]
    await begun()
    assert door.count("RESOURCE_EXHAUSTED") == 1
    (account,) = door.interceptor.accounts()
    assert account.use(door.clock()) == (2, 0, 1, 0.0)
    door.release.set()
    assert await asyncio.gather(*held) == [HELLO, HELLO]


async def test_identity_comes_before_the_drain(door: Door) -> None:
    await door.interceptor.gate.drain(grace=0.0)
    assert await door.call(Context(messages=[HELLO])) == "CALLER_UNVERIFIED"
    assert await door.call(writers(HELLO)) == "DRAINING"


async def test_an_unknown_method_uses_up_the_callers_rate(door: Door) -> None:
    for _ in range(Limits().burst):
        assert await door.call(writers(), "Nothing") == "UNIMPLEMENTED"
        await begun()
    assert await door.call(writers(HELLO)) == "RATE_LIMITED"
    assert door.count("UNIMPLEMENTED", "other") == Limits().burst


async def test_a_unary_call_without_a_message_is_refused(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers, "_ENDED_SECONDS", 0.0)
    assert await door.call(writers()) == "REQUEST_INVALID"
    await begun()
    assert door.count("INVALID_ARGUMENT") == 1


async def test_a_fault_before_the_call_is_known_says_internal_and_nothing_more(
    door: Door,
) -> None:
    context = writers(HELLO)
    context.auth_context = lambda: 1 / 0  # type: ignore[method-assign,assignment,return-value]  # a fault
    with structlog.testing.capture_logs() as logs:
        assert await door.call(context) == "INTERNAL"
    assert [line["event"] for line in logs] == ["call failed"]
    assert context.status is not None
    assert "division" not in str(context.status)


async def test_a_recheck_ends_the_calls_of_those_who_are_not_verified(door: Door) -> None:
    door.verifier.replace({"example.org": (*OURS.bundle, *Authority("example.org").bundle)})
    calls_open = [door.call(writers(HELLO)), door.call(writers(HELLO), "Stream")]
    await begun()
    door.interceptor.recheck()
    await begun()
    assert not any(call.done() for call in calls_open)
    door.verifier.replace({})
    door.interceptor.recheck()
    door.interceptor.recheck()  # what ends already is not ended twice
    assert await asyncio.gather(*calls_open) == ["CALLER_UNVERIFIED"] * 2
    await begun()
    assert (door.count("UNAUTHENTICATED"), door.count("UNAUTHENTICATED", "/test/Stream")) == (1, 1)
    (account,) = door.interceptor.accounts()
    assert account.in_flight == 0


async def test_the_end_of_a_certificate_is_noticed_without_being_told(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_interceptor, "_LOOK_AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(peer_interceptor, "_PAST_SECONDS", 0.0)
    stream = door.call(writers(HELLO), "Stream")
    await begun()
    assert not stream.done()
    door.now = NOON + HOUR + timedelta(milliseconds=1)
    assert await stream == "CALLER_UNVERIFIED"


async def test_who_looks_first_is_the_one_whose_certificate_ends_first(door: Door) -> None:
    held = [door.call(writers(HELLO))]
    await begun()
    timer = door.interceptor._timer
    held.append(door.call(writers(HELLO)))
    await begun()
    assert door.interceptor._timer is timer, "in a second somebody looks anyway"
    door.now = NOON + HOUR - timedelta(seconds=0.5)
    held.append(door.call(writers(HELLO), "Stream"))
    await begun()
    sooner = door.interceptor._timer
    assert timer is not None
    assert sooner is not None
    assert timer.cancelled()
    assert sooner.when() < timer.when()
    door.now = NOON + HOUR - timedelta(seconds=0.9)
    held.append(door.call(writers(HELLO, uri=f"{WRITER}2"), "Stream"))
    await begun()
    assert door.interceptor._timer is sooner
    door.release.set()
    await asyncio.gather(*held)
    door.interceptor.recheck()
    assert door.interceptor._timer is None, "nobody is left to look after"
