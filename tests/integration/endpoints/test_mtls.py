"""An mTLS listener as its callers see it: who they are, and what they may use."""

import asyncio
from pathlib import Path

import grpc
import grpc.aio
import pytest

from governd.endpoints.gate import Account
from governd.errors import ListenerError
from governd.identity.verification import Verifier
from tests.fakes.authority import Authority
from tests.integration.endpoints.doors import (
    UNARY,
    Echo,
    Limits,
    Refusal,
    ask,
    message,
    read,
    refused,
    stream,
    unary,
    until,
)
from tests.integration.endpoints.peers import (
    READER,
    WRITER,
    OpenPeerDoor,
    PeerDoor,
    build_peer_door,
    now,
)

UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED
EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
UNVERIFIED = Refusal(UNAUTHENTICATED, "CALLER_UNVERIFIED", {}, None)


async def callers(door: PeerDoor, count: int) -> list[Account]:
    """Waits until so many are known."""
    await until(lambda: len(list(door.listener.accounts())) == count)
    return list(door.listener.accounts())


@pytest.mark.parametrize("tcp", [False, True], ids=["unix", "tcp"])
async def test_a_stock_client_is_who_its_certificate_says(
    tcp: bool, open_peer_door: OpenPeerDoor
) -> None:
    door = await open_peer_door(tcp=tcp)
    for caller in (WRITER, READER):
        async with door.channel(door.issue(caller)) as channel:
            assert await ask(channel) == f"{caller} mtls mtls"


async def test_every_connection_of_a_caller_has_its_own_identity(
    open_peer_door: OpenPeerDoor,
) -> None:
    door = await open_peer_door()
    channels = [door.channel(door.issue(caller)) for caller in (WRITER, READER) * 3]
    answers = await asyncio.gather(*(ask(channel) for channel in channels for _ in range(20)))
    expected = [f"{caller} mtls mtls" for caller in (WRITER, READER) * 3 for _ in range(20)]
    assert answers == expected
    for channel in channels:
        await channel.close()


async def test_a_certificate_below_an_intermediate_is_fine(open_peer_door: OpenPeerDoor) -> None:
    door = await open_peer_door()
    issued = door.authority.intermediate("a").intermediate("b").issue(WRITER)
    async with door.channel(issued) as channel:
        assert await ask(channel) == f"{WRITER} mtls mtls"


async def test_metadata_names_no_caller(open_peer_door: OpenPeerDoor) -> None:
    door = await open_peer_door()
    forged = tuple((name, READER) for name in ("caller", "spiffe-id", "x-forwarded-client-cert"))
    async with door.channel(door.issue()) as channel:
        answer = await unary(channel)(message("x"), metadata=forged)
    assert WRITER.encode() in answer


async def test_every_kind_of_method_is_served(open_peer_door: OpenPeerDoor) -> None:
    door = await open_peer_door()
    async with door.channel(door.issue()) as channel:
        call = stream(channel)
        for _ in range(3):
            await call.write(message("x"))
            assert await read(call) == f"{WRITER} mtls mtls"
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF
        health = unary(channel, "/grpc.health.v1.Health/Check")
        assert await health(b"") == b"\x08\x02"
        watch = stream(channel, "/grpc.health.v1.Health/Watch")
        await watch.write(b"")
        assert await watch.read() == b"\x08\x02"
        watch.cancel()
    await until(lambda: door.count("governd_calls_total", method=UNARY, grpc_code="OK") == 0)


async def test_an_unknown_method_is_unimplemented_to_those_who_may_call(
    open_peer_door: OpenPeerDoor,
) -> None:
    door = await open_peer_door()
    async with door.channel(door.issue()) as channel:
        found = await refused(unary(channel, "/test.Echo/Nothing")(b""))
        assert found.code is grpc.StatusCode.UNIMPLEMENTED
    async with door.channel(door.issue("spiffe://example.org")) as channel:
        assert await refused(unary(channel, "/test.Echo/Nothing")(b"")) == UNVERIFIED
    labels = {"method": "other", "grpc_code": "UNIMPLEMENTED"}
    await until(lambda: door.count("governd_calls_total", **labels) == 1)
    labels = {"method": "other", "grpc_code": "UNAUTHENTICATED"}
    await until(lambda: door.count("governd_calls_total", **labels) == 1)


async def test_a_unary_call_without_a_message_is_an_invalid_argument(
    open_peer_door: OpenPeerDoor,
) -> None:
    door = await open_peer_door()
    async with door.channel(door.issue()) as channel:
        call = stream(channel, UNARY)
        await call.done_writing()
        assert (await refused(call.read())).reason == "REQUEST_INVALID"


async def test_identity_comes_before_the_message(open_peer_door: OpenPeerDoor) -> None:
    door = await open_peer_door()
    async with door.channel(door.issue("spiffe://example.org")) as channel:
        held_back = stream(channel, UNARY)
        assert await refused(held_back.read()) == UNVERIFIED
    assert door.echo.begun == 0
    assert door.count("governd_refusals_total", reason="CALLER_UNVERIFIED") == 1
    labels = {"method": UNARY, "grpc_code": "UNAUTHENTICATED"}
    await until(lambda: door.count("governd_calls_total", **labels) == 1)


async def test_admission_comes_before_the_message(open_peer_door: OpenPeerDoor) -> None:
    door = await open_peer_door(Limits(calls_in_flight=2))
    async with door.channel(door.issue()) as channel:
        slow = [stream(channel, UNARY) for _ in range(2)]
        (account,) = await callers(door, 1)
        await until(lambda: account.in_flight == 2)
        assert (await refused(ask(channel))).reason == "CONCURRENCY_LIMITED"
        for call in slow:
            call.cancel()
        await until(lambda: account.in_flight == 0)
        assert WRITER in await ask(channel)


async def test_limits_are_the_callers_over_all_its_connections(
    open_peer_door: OpenPeerDoor,
) -> None:
    door = await open_peer_door(Limits(streams=1))
    first, second, other = (door.channel(door.issue(uri)) for uri in (WRITER, WRITER, READER))
    held = stream(first)
    await held.write(message("x"))
    assert WRITER in await read(held)
    found = await refused(stream(second).read())
    assert (found.code, found.reason) == (EXHAUSTED, "STREAMS_LIMITED")
    free = stream(other)
    await free.write(message("x"))
    assert READER in await read(free)
    for channel in (first, second, other):
        await channel.close()


async def test_a_callers_rate_is_its_own(open_peer_door: OpenPeerDoor) -> None:
    door = await open_peer_door(Limits(calls_per_second=0.1, burst=2))
    async with door.channel(door.issue()) as noisy, door.channel(door.issue(READER)) as quiet:
        for _ in range(2):
            await ask(noisy)
        assert (await refused(ask(noisy))).reason == "RATE_LIMITED"
        assert READER in await ask(quiet)
    writers, readers = door.listener.accounts()
    await until(lambda: writers.use(0.0)[:3] == (0, 2, 1))
    await until(lambda: readers.use(0.0)[:3] == (0, 1, 0))


async def test_callers_are_those_of_the_trust_domains_that_are_named(
    open_peer_door: OpenPeerDoor,
) -> None:
    partner = Authority("partner.org", now=now())
    bundles = {"partner.org": partner.bundle}
    theirs = partner.issue("spiffe://partner.org/agent/buyer")
    closed = await open_peer_door(bundles=bundles)
    async with closed.channel(theirs) as channel:
        # TLS has no root of theirs here.
        assert (await refused(ask(channel))).code is grpc.StatusCode.UNAVAILABLE
    await closed.listener.stop()
    door = await open_peer_door(bundles=bundles, trust_domains=("example.org", "partner.org"))
    async with door.channel(theirs) as channel:
        assert await ask(channel) == "spiffe://partner.org/agent/buyer mtls mtls"
    async with door.channel(door.issue()) as channel:
        assert await ask(channel) == f"{WRITER} mtls mtls"


async def test_callers_are_those_below_the_ids_that_are_named(
    open_peer_door: OpenPeerDoor,
) -> None:
    door = await open_peer_door(allowed_ids=("spiffe://example.org/agent",))
    async with door.channel(door.issue()) as channel:
        assert await ask(channel) == f"{WRITER} mtls mtls"
    for uri in ("spiffe://example.org/agents/x", "spiffe://example.org/mcp/git"):
        async with door.channel(door.issue(uri)) as channel:
            assert await refused(ask(channel)) == UNVERIFIED
    assert len(list(door.listener.accounts())) == 1


async def test_a_listener_that_could_verify_nobody_does_not_open(
    open_peer_door: OpenPeerDoor,
) -> None:
    with pytest.raises(ListenerError, match=r"no trust bundle of elsewhere\.org is known"):
        await open_peer_door(trust_domains=("elsewhere.org",))


async def test_an_address_that_is_taken_is_refused(
    directory: Path, open_peer_door: OpenPeerDoor
) -> None:
    door = await open_peer_door(tcp=True)
    port = int(door.target.rpartition(":")[2])
    second = await build_peer_door(directory, Limits(), Echo(), tcp=True, port=port)
    with pytest.raises(ListenerError, match="cannot bind"):
        await second.listener.start()
    async with door.channel(door.issue()) as channel:
        assert WRITER in await ask(channel)


async def test_a_message_of_100_mb_is_refused_unread(open_peer_door: OpenPeerDoor) -> None:
    door = await open_peer_door()
    async with door.channel(door.issue(), ("grpc.max_send_message_length", -1)) as channel:
        found = await refused(unary(channel)(b"\0" * 100_000_000, timeout=10))
        assert found.code is EXHAUSTED
        assert WRITER in await ask(channel)
    assert door.echo.begun == 1


async def test_an_oversized_message_is_refused_with_the_limit(
    open_peer_door: OpenPeerDoor,
) -> None:
    door = await open_peer_door()
    async with door.channel(door.issue()) as channel:
        found = await refused(ask(channel, "x" * 5000))
    assert found == Refusal(EXHAUSTED, "MESSAGE_TOO_LARGE", {"limit_bytes": "4096"}, None)


async def test_a_drain_loses_no_call_and_ends_streams(open_peer_door: OpenPeerDoor) -> None:
    gate = asyncio.Event()

    async def wait(text: str) -> str:
        await gate.wait()
        return text

    door = await open_peer_door(echo=Echo(wait))
    async with door.channel(door.issue()) as channel:
        begun = asyncio.ensure_future(ask(channel))
        await door.echo.first_begun.wait()
        open_stream, held_back = stream(channel), stream(channel, UNARY)
        (account,) = await callers(door, 1)
        await until(lambda: account.in_flight == 3)
        drain = asyncio.ensure_future(door.listener.drain(grace=0.2))
        assert (await refused(open_stream.read())).reason == "DRAINING"
        assert (await refused(ask(channel))).reason == "DRAINING"
        gate.set()
        assert await begun == "hello"
        assert (await refused(held_back.read())).reason == "DRAINING"
        assert await drain == 1


def test_a_verifier_without_bundles_is_possible() -> None:
    """Until the first of them come; a listener waits for that."""
    assert not Verifier({}).bundles
