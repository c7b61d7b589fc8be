"""Connections to an mTLS listener that are not what they should be, or never end."""

import asyncio
import socket
import ssl
import threading
import time

import grpc
import grpc.aio
import pytest

from governd.endpoints import connections, listener
from tests.integration.endpoints import tls_client
from tests.integration.endpoints.doors import UNARY, Limits, ask, message, refused, until
from tests.integration.endpoints.peers import READER, WRITER, OpenPeerDoor, PeerDoor

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
TLS_1_2, TLS_1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
OWN = [("grpc.use_local_subchannel_pool", 1)]


async def is_served(door: PeerDoor) -> bool:
    """Whether a new caller is."""
    async with door.channel(door.issue()) as channel:
        return WRITER in await ask(channel)


async def test_a_client_without_a_certificate_is_not_let_in(open_peer_door: OpenPeerDoor) -> None:
    door = await open_peer_door()
    credentials = grpc.ssl_channel_credentials(door.authority.bundle_pem)
    options = [*OWN, ("grpc.ssl_target_name_override", "governd")]
    async with grpc.aio.secure_channel(door.target, credentials, options) as channel:
        assert (await refused(ask(channel))).code is UNAVAILABLE
    assert door.echo.begun == 0
    assert await is_served(door)


async def test_a_plaintext_client_is_not_let_in(open_peer_door: OpenPeerDoor) -> None:
    door = await open_peer_door()
    async with grpc.aio.insecure_channel(door.target, options=OWN) as channel:
        assert (await refused(ask(channel))).code is UNAVAILABLE
    assert door.echo.begun == 0
    assert await is_served(door)


async def test_what_is_not_tls_is_no_harm(open_peer_door: OpenPeerDoor) -> None:
    door = await open_peer_door()
    with tls_client.connected(door.socket) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + b"\xff" * 10_000)
        assert await is_served(door)


async def test_a_client_takes_nobody_else_for_governd(open_peer_door: OpenPeerDoor) -> None:
    """Without the name that it was told to expect, a stock client does not connect."""
    door = await open_peer_door()
    credentials = grpc.ssl_channel_credentials(
        door.authority.bundle_pem, door.issue().key_pem, door.issue().chain_pem
    )
    options = [*OWN, ("grpc.ssl_target_name_override", "another")]
    async with grpc.aio.secure_channel(door.target, credentials, options) as channel:
        assert (await refused(ask(channel))).code is UNAVAILABLE


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
async def test_tls_1_2_and_1_3_are_spoken(
    version: ssl.TLSVersion, open_peer_door: OpenPeerDoor
) -> None:
    door = await open_peer_door()
    tls = tls_client.context(door.authority.bundle_pem, door.issue(), versions=(version, version))

    def call() -> tuple[str | None, int]:
        with tls_client.connect(door.socket, tls) as client:
            return client.stream.version(), client.call(UNARY, message("x")).status

    said = "TLSv1.2" if version is TLS_1_2 else "TLSv1.3"
    assert await asyncio.to_thread(call) == (said, 0)


async def test_tls_1_3_is_chosen_where_both_could(open_peer_door: OpenPeerDoor) -> None:
    door = await open_peer_door()
    tls = tls_client.context(door.authority.bundle_pem, door.issue())

    def version() -> str | None:
        with tls_client.connect(door.socket, tls) as client:
            return client.stream.version()

    assert await asyncio.to_thread(version) == "TLSv1.3"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
async def test_tls_1_1_is_refused(open_peer_door: OpenPeerDoor) -> None:
    door = await open_peer_door()
    old = ssl.TLSVersion.TLSv1_1
    tls = tls_client.context(door.authority.bundle_pem, door.issue(), versions=(old, old))
    tls.set_ciphers("DEFAULT:@SECLEVEL=0")  # or the client itself would refuse

    def call() -> int:
        with tls_client.connect(door.socket, tls) as client:
            return client.call(UNARY).status

    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.to_thread(call)


@pytest.mark.parametrize("alpn", [(), ("http/1.1",)], ids=["none", "another"])
async def test_a_connection_without_alpn_for_http2_is_refused(
    alpn: tuple[str, ...], open_peer_door: OpenPeerDoor
) -> None:
    door = await open_peer_door()
    tls = tls_client.context(door.authority.bundle_pem, door.issue(), alpn=alpn)

    def call() -> int:
        with tls_client.connect(door.socket, tls) as client:
            return client.call(UNARY).status

    with pytest.raises((ssl.SSLError, OSError, AssertionError)):
        await asyncio.to_thread(call)
    assert door.echo.begun == 0


async def test_a_handshake_that_never_ends_is_ended(
    open_peer_door: OpenPeerDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slow-loris: a byte now and then, forever."""
    monkeypatch.setattr(listener, "_HANDSHAKE_MS", 500)
    door = await open_peer_door()
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500

    def trickle() -> int:
        with tls_client.connected(door.socket) as slow:
            for sent, byte in enumerate(hello):
                try:
                    slow.sendall(bytes([byte]))
                except OSError:
                    return sent
                time.sleep(0.05)
        return len(hello)

    ended = asyncio.ensure_future(asyncio.to_thread(trickle))
    while not ended.done():
        assert await is_served(door)
        await asyncio.sleep(0.05)
    assert await ended < len(hello)


async def test_a_connection_that_shakes_hands_and_says_no_more_is_ended(
    open_peer_door: OpenPeerDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "_HANDSHAKE_MS", 500)
    door = await open_peer_door()
    tls = tls_client.context(door.authority.bundle_pem, door.issue())

    def wait() -> bytes:
        with (
            tls_client.connected(door.socket) as stream,
            tls.wrap_socket(stream, server_hostname="governd") as wrapped,
        ):
            while True:  # the settings that the server sends, and then its goodbye
                if not wrapped.recv(65_536):
                    return b""

    assert await asyncio.wait_for(asyncio.to_thread(wait), 5) == b""


@pytest.mark.req("r-6", part=True)
async def test_slow_loris_streams_take_up_their_callers_places_and_nobody_elses(
    open_peer_door: OpenPeerDoor,
) -> None:
    """Calls whose messages come byte by byte and never end, on two connections of one caller."""
    door = await open_peer_door(Limits(calls_in_flight=4))
    tls = tls_client.context(door.authority.bundle_pem, door.issue(READER))

    def hold(done: threading.Event) -> None:
        with (
            tls_client.connect(door.socket, tls) as one,
            tls_client.connect(door.socket, tls) as two,
        ):
            calls = [(client, client.begin(UNARY)) for client in (one, two) for _ in range(2)]
            for client, number in calls:
                client.send(number, b"\0\0\0\x04\0")  # 1,024 bytes are to come
            while not done.wait(0.02):
                for client, number in calls:
                    client.send(number, b"x")

    done = threading.Event()
    slow = asyncio.ensure_future(asyncio.to_thread(hold, done))
    try:
        await until(lambda: [one.in_flight for one in door.listener.accounts()] == [4])
        async with door.channel(door.issue(READER)) as channel:
            assert (await refused(ask(channel))).reason == "CONCURRENCY_LIMITED"
        assert await is_served(door)
    finally:
        done.set()
        await slow
    await until(lambda: not any(one.in_flight for one in door.listener.accounts()))


@pytest.mark.parametrize("tcp", [False, True], ids=["unix", "tcp"])
async def test_a_thousand_connections_are_bounded_and_others_still_served(
    tcp: bool, open_peer_door: OpenPeerDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "_HANDSHAKE_MS", 1000)
    door = await open_peer_door(tcp=tcp, connections=32)
    async with door.channel(door.issue()) as channel:
        assert WRITER in await ask(channel)
        many = [_connection(door) for _ in range(1000)]
        for _ in range(20):
            assert WRITER in await ask(channel)
        await until(lambda: connections.total([door.listener]) <= 32)
        open_ones = [one for one in many if not _is_closed(one)]
        assert len(open_ones) <= 32
        # Their handshakes have a deadline: then there is room again.
        await until(lambda: all(map(_is_closed, open_ones)))
        assert await is_served(door)
        for one in many:
            one.close()
    await until(lambda: connections.total([door.listener]) == 0)


@pytest.mark.parametrize("tcp", [False, True], ids=["unix", "tcp"])
async def test_an_mtls_listener_is_full_by_its_own_limit(
    tcp: bool, open_peer_door: OpenPeerDoor
) -> None:
    door = await open_peer_door(Limits(connections=1), tcp=tcp, connections=2)
    async with door.channel(door.issue()) as first, door.channel(door.issue()) as second:
        for channel, expected in ((first, 0), (second, 1)):
            assert WRITER in await ask(channel)
            assert connections.full([door.listener]) == expected
    await until(lambda: connections.full([door.listener]) == 0)


def _connection(door: PeerDoor) -> socket.socket:
    if door.path is not None:
        made = socket.socket(socket.AF_UNIX)
        made.connect(str(door.path))
    else:
        host, _, port = door.target.rpartition(":")
        made = socket.create_connection((host, int(port)))
    made.setblocking(False)
    return made


def _is_closed(stream: socket.socket) -> bool:
    try:
        return stream.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
