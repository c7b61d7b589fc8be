"""A listener of one workload: whoever that is at the moment, and nobody else's calls."""

import asyncio
from collections.abc import AsyncIterator, Callable

import grpc
import grpc.aio
import pytest
from google.protobuf.wrappers_pb2 import StringValue

from governd.application import call as calls
from governd.application.call import Call
from governd.application.occupant import Naming, Occupant
from governd.endpoints.handlers import Handler
from governd.endpoints.limits import Admissions
from governd.endpoints.methods import Methods
from governd.endpoints.occupant_interceptor import OPEN, OccupantInterceptor
from governd.errors import SourceAwayError
from governd.identity import Attestation, Caller, Newcomer, SpiffeId, Who
from governd.identity.svid import Selector, Workload
from tests.fakes.identities import FakeIdentities
from tests.fakes.time import settle
from tests.unit.endpoints.doubles import Clock, Context, Limits, chain, metrics, run
from tests.unit.endpoints.test_interceptor import Details

SELECTOR = "k8s:sa:web"
POD = Workload("pod", (Selector.parse(SELECTOR),))
FACTS = {"listener": "pod"}
WEB = Caller(SpiffeId.parse("spiffe://example.org/web"), Attestation.SPIRE, FACTS)
UNARY, ASK, WAIT = "/test/Unary", "/test/Stream", "/governd.v1.IdentityService/WaitReady"


class Door:
    """An interceptor before a fake source, and gRPC's way of calling it."""

    def __init__(self) -> None:
        self.identities = FakeIdentities()
        self.held = self.identities.keeper.open(POD)
        self.clock = Clock()
        self.admissions = Admissions(Limits())
        self.release = asyncio.Event()
        self.seen: list[Call] = []
        counted = metrics()
        self.interceptor = OccupantInterceptor(
            Occupant(self.held, Naming("example.org", spire=True)),
            methods=Methods([self._register], chain(counted)),
            admissions=self.admissions,
            metrics=counted,
            clock=self.clock,
        )

    def _register(self, server: Methods) -> None:
        codec = (StringValue.FromString, StringValue.SerializeToString)
        unary = grpc.unary_unary_rpc_method_handler(self._answer, *codec)
        server.add_registered_method_handlers("test", {"Unary": unary})
        make: Callable[..., Handler] = grpc.unary_stream_rpc_method_handler
        for service, name in (("test", "Stream"), ("governd.v1.IdentityService", "WaitReady")):
            server.add_registered_method_handlers(service, {name: make(self._serve, *codec)})

    async def _serve(self, request: StringValue, context: Context) -> AsyncIterator[StringValue]:
        self.seen.append(calls.current())
        await self.release.wait()
        yield request

    async def _answer(self, request: StringValue, context: Context) -> StringValue:
        self.seen.append(calls.current())
        return request

    async def issue(self, path: str) -> None:
        self.identities.source.register(path, SELECTOR)
        await settle()

    def call(self, method: str, held_back: asyncio.Event | None = None) -> "asyncio.Task[Context]":
        return asyncio.ensure_future(self._call(Details(method), Context(held_back=held_back)))

    async def _call(self, details: Details, context: Context) -> Context:
        handler = await self.interceptor.intercept_service(_unused, details)
        assert handler.request_streaming, "gRPC would read the message first"
        try:
            await run(handler, b"", context)
        except grpc.aio.AbortError:
            return context
        return context

    def reasons(self, *contexts: Context) -> list[str]:
        return [context.error_info.reason for context in contexts]


async def _unused(_details: object) -> Handler:
    raise AssertionError


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    made = Door()
    await settle()
    yield made
    await made.identities.keeper.close()


async def test_a_newcomer_is_refused_by_what_is_known_of_it(door: Door) -> None:
    issued_nothing = await door.call(ASK)
    door.identities.source.breaks(SourceAwayError("away"))
    await settle()
    away = await door.call(ASK)
    assert door.reasons(issued_nothing, away) == ["IDENTITY_NOT_ISSUED", "IDENTITY_UNAVAILABLE"]
    assert door.seen == []


async def test_a_newcomer_may_wait_and_is_the_caller_as_soon_as_it_is_one(door: Door) -> None:
    waiting = door.call(WAIT)
    await settle()
    (this,) = door.seen
    seen: list[Who] = [this.caller]
    await door.issue("/web")
    seen.append(this.caller)
    assert this.held is door.held
    door.held.close()
    seen.append(this.caller)
    assert seen == [Newcomer("pod", FACTS), WEB, Newcomer("pod", FACTS)]
    door.release.set()
    assert (await waiting).status is None, "it never ended"


async def test_calls_of_who_is_somebody_else_now_end(door: Door) -> None:
    await door.issue("/web")
    stream = door.call(ASK)
    await settle()
    assert door.seen[0].caller == WEB
    door.identities.source.register("/api", SELECTOR)
    door.identities.source.unregister("/web")
    await settle()
    assert door.reasons(await stream) == ["CALLER_UNVERIFIED"]


@pytest.mark.parametrize("method", [UNARY, ASK])
async def test_attack_a_message_that_is_held_back_until_the_caller_is_somebody_else(
    door: Door, method: str
) -> None:
    await door.issue("/web")
    call = door.call(method, held_back=asyncio.Event())
    await settle()
    assert not call.done()
    door.identities.source.register("/api", SELECTOR)
    door.identities.source.unregister("/web")
    await settle()
    assert call.done(), "it is told so at once, whenever its message comes"
    assert (door.reasons(await call), door.seen) == (["CALLER_UNVERIFIED"], [])


async def test_calls_end_with_the_identity_whoever_looks(door: Door) -> None:
    await door.issue("/web")
    stream = door.call(ASK)
    await settle()
    door.identities.source.breaks(SourceAwayError("away"))
    await settle()
    door.identities.time.wall += 60
    late = await door.call(ASK)
    assert door.reasons(await stream, late) == ["CALLER_UNVERIFIED", "IDENTITY_UNAVAILABLE"]


async def test_a_rotation_ends_nothing_and_keeps_the_account(door: Door) -> None:
    await door.issue("/web")
    (before,) = door.interceptor.accounts()
    stream = door.call(ASK)
    await settle()
    await door.issue("/web")
    assert not stream.done()
    assert list(door.interceptor.accounts()) == [before]
    door.release.set()
    await stream


async def test_limits_are_the_listeners_until_they_are_the_callers(door: Door) -> None:
    waits = [door.call(WAIT) for _ in range(Limits().streams)]
    await settle()
    assert door.reasons(await door.call(WAIT)) == ["STREAMS_LIMITED"]
    assert [name for name, _ in door.admissions] == ["listener:pod"]
    await door.issue("/web")
    (account,) = door.interceptor.accounts()
    assert account.caller == WEB
    assert dict(door.admissions)[str(WEB.spiffe_id)] is account.admission
    assert account.admission.streams == 0, "what waits is not the caller's use"
    door.release.set()
    await asyncio.gather(*waits)


async def test_attack_refused_calls_of_a_newcomer_use_up_its_rate(door: Door) -> None:
    found: list[str] = []
    for _ in range(Limits().burst + 1):
        found += door.reasons(await door.call(ASK))
        await settle()
    assert found == ["IDENTITY_NOT_ISSUED"] * Limits().burst + ["RATE_LIMITED"]


def test_who_is_nobody_may_ask_nothing_of_policies_and_tools() -> None:
    assert not [one for one in OPEN if "PolicyService" in one or "ToolService" in one]
