"""What changes while connections stand: certificates end, authorities and our own rotate."""

import asyncio
import ssl
import time
from datetime import timedelta
from pathlib import Path

import grpc
import grpc.aio
import pytest

from tests.fakes.authority import Authority, Issued
from tests.integration.endpoints import tls_client
from tests.integration.endpoints.doors import (
    UNARY,
    Refusal,
    ask,
    message,
    read,
    refused,
    stream,
    until,
)
from tests.integration.endpoints.peers import WRITER, OpenPeerDoor, PeerDoor, now, serving

UNVERIFIED = Refusal(grpc.StatusCode.UNAUTHENTICATED, "CALLER_UNVERIFIED", {}, None)
_TCP = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_ESTABLISHED = "01"
_NO = {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.UNAVAILABLE}
TLS_1_2, TLS_1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


def end_of(issued: Issued) -> float:
    return issued.certificate.not_valid_after_utc.timestamp()


# Certificates end


async def test_a_certificate_that_expires_on_an_open_connection_gets_nothing_any_more(
    open_peer_door: OpenPeerDoor,
) -> None:
    door = await open_peer_door()
    issued = door.short(2)
    async with door.channel(issued) as channel:
        while time.time() <= end_of(issued):
            try:
                assert WRITER in await ask(channel)
            except grpc.aio.AioRpcError:
                assert time.time() > end_of(issued), "refused before its end"
            await asyncio.sleep(0.05)
        assert await refused(ask(channel)) == UNVERIFIED


async def test_a_stream_ends_when_the_certificate_does(open_peer_door: OpenPeerDoor) -> None:
    door = await open_peer_door()
    issued = door.short(2)
    async with door.channel(issued) as channel:
        call = stream(channel)
        await call.write(message("x"))
        assert WRITER in await read(call)
        assert await refused(call.read()) == UNVERIFIED
    assert end_of(issued) <= time.time()


async def test_a_call_that_holds_its_message_back_ends_with_the_certificate(
    open_peer_door: OpenPeerDoor,
) -> None:
    """Or it would be the last call, whenever its message came."""
    door = await open_peer_door()
    async with door.channel(door.short(2)) as channel:
        call = stream(channel, UNARY)
        assert await refused(call.read()) == UNVERIFIED
    assert door.echo.begun == 0


async def test_an_end_that_a_changed_clock_brings_is_noticed(open_peer_door: OpenPeerDoor) -> None:
    door = await open_peer_door()
    async with door.channel(door.issue()) as channel:
        call = stream(channel)
        await call.write(message("x"))
        assert WRITER in await read(call)
        door.clock.ahead = timedelta(days=1)
        assert await refused(call.read()) == UNVERIFIED
        assert await refused(ask(channel)) == UNVERIFIED


async def test_streams_of_others_go_on(open_peer_door: OpenPeerDoor) -> None:
    door = await open_peer_door()
    async with door.channel(door.short(2)) as ending, door.channel(door.issue()) as other:
        first, second = stream(ending), stream(other)
        for call in (first, second):
            await call.write(message("x"))
            assert WRITER in await read(call)
        assert await refused(first.read()) == UNVERIFIED
        await second.write(message("x"))
        assert WRITER in await read(second)


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
async def test_a_resumed_tls_session_does_not_outlive_the_certificate(
    version: ssl.TLSVersion, open_peer_door: OpenPeerDoor
) -> None:
    """TLS looks at no certificate when it resumes a session."""
    door = await open_peer_door()
    issued = door.short(2)
    tls = tls_client.context(door.authority.bundle_pem, issued, versions=(version, version))

    def call(session: ssl.SSLSession | None) -> tuple[bool, int, ssl.SSLSession]:
        with tls_client.connect(door.socket, tls, session) as client:
            status = client.call(UNARY, message("x")).status
            return client.stream.session_reused is True, status, client.session

    resumed, status, session = await asyncio.to_thread(call, None)
    assert (resumed, status) == (False, 0)
    resumed, status, session = await asyncio.to_thread(call, session)
    assert (resumed, status) == (True, 0)
    await asyncio.sleep(end_of(issued) - time.time() + 0.01)
    resumed, status, _ = await asyncio.to_thread(call, session)
    assert (resumed, status) == (True, grpc.StatusCode.UNAUTHENTICATED.value[0])


async def test_a_resumed_tls_session_does_not_outlive_the_authority(
    open_peer_door: OpenPeerDoor,
) -> None:
    door = await open_peer_door()
    tls = tls_client.context(door.authority.bundle_pem, door.issue())

    def call(session: ssl.SSLSession | None) -> tuple[int, ssl.SSLSession]:
        with tls_client.connect(door.socket, tls, session) as client:
            return client.call(UNARY, message("x")).status, client.session

    status, session = await asyncio.to_thread(call, None)
    assert status == 0
    door.trust.replace({"example.org": Authority("example.org", now=now()).bundle})
    with pytest.raises((ssl.SSLError, OSError, AssertionError)):
        await asyncio.to_thread(call, session)


# Authorities change


async def test_a_trust_bundle_that_changes_mid_stream_ends_whom_it_no_longer_verifies(
    open_peer_door: OpenPeerDoor,
) -> None:
    door = await open_peer_door()
    partner, next_one = (Authority(name, now=now()) for name in ("partner.org", "example.org"))
    async with door.channel(door.issue()) as channel:
        call, held_back = stream(channel), stream(channel, UNARY)
        await call.write(message("x"))
        assert WRITER in await read(call)
        both = (*door.authority.bundle, *next_one.bundle)
        door.trust.replace({"example.org": both, "partner.org": partner.bundle})
        await call.write(message("x"))
        assert WRITER in await read(call)
        assert WRITER in await ask(channel)
        # Theirs verifies the same chain, and still it is not theirs.
        door.trust.replace({"example.org": next_one.bundle, "partner.org": door.authority.bundle})
        assert await refused(call.read()) == UNVERIFIED
        assert await refused(held_back.read()) == UNVERIFIED
        assert await refused(ask(channel)) == UNVERIFIED


async def test_without_any_trust_bundle_nobody_is_let_in_until_there_is_one(
    open_peer_door: OpenPeerDoor,
) -> None:
    door = await open_peer_door()
    async with door.channel(door.issue()) as channel:
        assert WRITER in await ask(channel)
        door.trust.replace({})
        assert await refused(ask(channel)) == UNVERIFIED
    async with door.channel(door.issue()) as channel:
        assert (await refused(ask(channel))).code in _NO
    door.trust.replace({"example.org": door.authority.bundle})
    async with door.channel(door.issue()) as channel:
        assert WRITER in await ask(channel)


class Fleet:
    """Callers that never stop; each failure is kept."""

    def __init__(self, door: PeerDoor, size: int) -> None:
        self.door = door
        self.failures: list[str] = []
        self.answers = 0
        self._generation = 0
        self._stop = False
        self._authority, self._roots = door.authority, door.authority.bundle_pem
        self._tasks = [asyncio.ensure_future(self._work()) for _ in range(size)]

    def renew(self, authority: Authority, roots: bytes) -> None:
        """New certificates for all, on new connections, as SPIFFE clients do."""
        self._authority, self._roots = authority, roots
        self._generation += 1

    async def _work(self) -> None:
        while not self._stop:
            generation = self._generation
            start = now() - timedelta(minutes=1)
            issued = self._authority.issue(WRITER, not_before=start)
            credentials = grpc.ssl_channel_credentials(
                self._roots, issued.key_pem, issued.chain_pem
            )
            options = [
                ("grpc.use_local_subchannel_pool", 1),
                ("grpc.ssl_target_name_override", "governd"),
            ]
            async with grpc.aio.secure_channel(self.door.target, credentials, options) as channel:
                while generation == self._generation and not self._stop:
                    await self._ask(channel)

    async def _ask(self, channel: grpc.aio.Channel) -> None:
        try:
            await ask(channel)
        except grpc.aio.AioRpcError as error:
            self.failures.append(f"{error.code()} {error.details()}")
        else:
            self.answers += 1

    async def more(self, count: int = 100) -> None:
        """Waits until so many more calls were answered."""
        wanted = self.answers + count
        await until(lambda: self.answers >= wanted or bool(self.failures))

    async def stop(self) -> None:
        self._stop = True
        await asyncio.gather(*self._tasks)


@pytest.mark.req("sa-5", part=True)
async def test_roots_and_our_own_certificate_rotate_and_no_call_fails(
    open_peer_door: OpenPeerDoor,
) -> None:
    door = await open_peer_door()
    first, second = door.authority, Authority("example.org", now=now())
    both = (*first.bundle, *second.bundle)
    both_pem = first.bundle_pem + second.bundle_pem
    fleet = Fleet(door, 4)
    await fleet.more()
    for authority, roots, bundle in (
        (first, both_pem, both),  # the new authority is made known
        (second, both_pem, both),  # and used, for us and for callers
        (second, second.bundle_pem, second.bundle),  # and the old one is forgotten
    ):
        if bundle is both:
            door.trust.replace({"example.org": bundle})
        door.svids.append(serving(authority))
        fleet.renew(authority, roots)
        await fleet.more()
        await fleet.more()
    door.trust.replace({"example.org": second.bundle})
    await fleet.more()
    await fleet.stop()
    assert not fleet.failures
    assert await served_with(door, second) == door.svids[-1].chain[0]


async def served_with(door: PeerDoor, authority: Authority) -> bytes:
    """The certificate that a new connection sees."""
    tls = tls_client.context(
        authority.bundle_pem, authority.issue(WRITER, not_before=now() - timedelta(minutes=1))
    )

    def look() -> bytes:
        with tls_client.connect(door.socket, tls) as client:
            return client.stream.getpeercert(binary_form=True) or b""

    return await asyncio.to_thread(look)


async def test_a_connection_is_renewed_by_half_of_the_lifetime_and_no_call_fails(
    open_peer_door: OpenPeerDoor,
) -> None:
    lifetime = timedelta(seconds=4)
    door = await open_peer_door(tcp=True, lifetime=lifetime)
    ports: set[str] = set()
    async with door.channel(door.issue()) as channel:
        for _ in range(5):
            began = time.monotonic()
            while time.monotonic() - began < 1:
                assert WRITER in await ask(channel)
            ports.update(peer_ports(door))
            door.svids.append(serving(door.authority, lifetime))
    assert len(ports) >= 3, "two seconds at most each, over five"


def peer_ports(door: PeerDoor) -> set[str]:
    """The ports at the other end of the listener's connections, from the kernel's table."""
    port = f":{int(door.target.rpartition(':')[2]):04X}"
    lines = (line for table in _TCP for line in table.read_text("ascii").splitlines()[1:])
    rows = map(str.split, lines)
    return {row[2] for row in rows if row[1].endswith(port) and row[3] == _ESTABLISHED}
