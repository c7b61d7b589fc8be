"""A listener on its socket: identity, messages, limits, as clients see them."""

import asyncio
import resource
import socket
import stat
from pathlib import Path

import grpc
import grpc.aio
import pytest
import structlog
from google.protobuf.wrappers_pb2 import StringValue

from governd.application import call as calls
from governd.endpoints import connections
from governd.errors import ListenerError, RequestError
from tests.integration.endpoints.doors import (
    UNARY,
    Echo,
    Limits,
    OpenDoor,
    Refusal,
    ask,
    build_door,
    message,
    read,
    refused,
    stream,
    unary,
    until,
)

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_socket_has_its_mode_and_the_directory_no_other_entry(open_door: OpenDoor) -> None:
    door = await open_door()
    path = door.path
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert list(path.parent.iterdir()) == [path]
    async with door.channel() as channel:
        assert await ask(channel) == "hello"


async def test_a_servicer_learns_caller_and_trace_from_the_channel(open_door: OpenDoor) -> None:
    async def who(text: str) -> str:
        call = calls.current()
        return f"{call.workload.spiffe_id} {call.trace} {dict(calls.log_context())['caller']}"

    door = await open_door(echo=Echo(who))
    async with door.channel() as channel:
        metadata = (("traceparent", TRACEPARENT), ("caller", "spiffe://example.org/admin"))
        raw = await unary(channel)(b"", metadata=metadata)
    writer = "spiffe://example.org/agent/writer"
    assert StringValue.FromString(raw).value == f"{writer} {TRACEPARENT} {writer}"


async def test_a_second_listener_on_a_live_path_is_refused_and_harms_nothing(
    open_door: OpenDoor,
) -> None:
    door = await open_door()
    second = await build_door(door.path, Limits(), Echo())
    with pytest.raises(ListenerError, match="another process answers"):
        await second.listener.start()
    async with door.channel() as channel:
        assert await ask(channel) == "hello"


async def test_a_listener_opens_beyond_108_bytes_and_answers(
    directory: Path, open_door: OpenDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    (directory / ("d" * 150)).mkdir(mode=0o755)
    door = await open_door(name=f"{'d' * 150}/a.sock")
    assert len(str(door.path)) > 108
    monkeypatch.chdir(door.path.parent)
    async with grpc.aio.insecure_channel("unix:a.sock") as channel:
        assert await ask(channel) == "hello"


async def test_stopping_does_not_delete_the_successors_socket(
    directory: Path, open_door: OpenDoor
) -> None:
    first = await open_door()
    path = first.path
    successor = await open_door(name="next.sock")
    successor.path.rename(path)
    await first.listener.drain(grace=1.0)
    async with grpc.aio.insecure_channel(f"unix:{path}") as channel:
        assert await ask(channel) == "hello"


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"\xff\xff\xff", id="no protocol buffer"),
        pytest.param(b"\x0a\x02\xc3\x28", id="invalid UTF-8"),
    ],
)
async def test_a_malformed_message_is_an_invalid_argument(raw: bytes, open_door: OpenDoor) -> None:
    door = await open_door()
    async with door.channel() as channel:
        found = await refused(unary(channel)(raw))
    assert found == Refusal(grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_INVALID", {}, None)
    assert door.echo.begun == 0


async def test_an_oversized_message_is_refused_with_the_limit(open_door: OpenDoor) -> None:
    door = await open_door()
    async with door.channel() as channel:
        found = await refused(ask(channel, "x" * 5000))
        assert found == Refusal(EXHAUSTED, "MESSAGE_TOO_LARGE", {"limit_bytes": "4096"}, None)
        assert await ask(channel) == "hello"
    assert door.count("governd_refusals_total", reason="MESSAGE_TOO_LARGE") == 1
    await until(lambda: door.use(0.0)[:3] == (0, 2, 1))


async def test_a_message_of_100_mb_is_refused_unread(open_door: OpenDoor) -> None:
    door = await open_door()
    options = [("grpc.max_send_message_length", -1)]
    async with grpc.aio.insecure_channel(door.target, options=options) as channel:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        raw = b"\0" * 100_000_000
        found = await refused(unary(channel)(raw, timeout=10))
        # The client, in this same process, holds the message and its copy for the wire.
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 250_000
        assert found.code is EXHAUSTED
        assert await ask(channel) == "hello"


async def test_a_compression_bomb_is_refused_without_inflating_it(open_door: OpenDoor) -> None:
    door = await open_door()
    options = [("grpc.max_send_message_length", -1)]
    async with grpc.aio.insecure_channel(door.target, options=options) as channel:
        call = unary(channel)(b"\0" * 3_000_000, compression=grpc.Compression.Gzip)
        assert (await refused(call)).code is grpc.StatusCode.UNIMPLEMENTED
    assert door.echo.begun == 0


async def test_metadata_beyond_the_limit_is_refused(open_door: OpenDoor) -> None:
    door = await open_door(Limits(metadata_bytes=2048))
    async with door.channel() as channel:
        call = unary(channel)(b"", metadata=(("x", "y" * 4000),))
        assert (await refused(call)).code is EXHAUSTED
        assert await ask(channel) == "hello"


async def test_an_unknown_method_is_unimplemented(open_door: OpenDoor) -> None:
    door = await open_door()
    async with door.channel() as channel:
        found = await refused(unary(channel, "/test.Echo/Nothing")(b""))
    assert found.code is grpc.StatusCode.UNIMPLEMENTED
    await until(
        lambda: door.count("governd_calls_total", method="other", grpc_code="UNIMPLEMENTED") == 1
    )


async def test_a_fault_says_internal_and_nothing_more(open_door: OpenDoor) -> None:
    async def fail(text: str) -> str:
        raise ZeroDivisionError(text)

    door = await open_door(echo=Echo(fail))
    with structlog.testing.capture_logs() as logs:
        async with door.channel() as channel:
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await ask(channel, "secret")
    assert (error.value.code(), error.value.details()) == (
        grpc.StatusCode.INTERNAL,
        "internal error",
    )
    assert "secret" not in str(error.value.trailing_metadata())
    assert [line["event"] for line in logs] == ["call failed"]


async def test_an_error_names_its_field_up_to_the_client(open_door: OpenDoor) -> None:
    async def fail(text: str) -> str:
        message = "action.name: is empty"
        raise RequestError(message, field="action.name")

    door = await open_door(echo=Echo(fail))
    async with door.channel() as channel:
        found = await refused(ask(channel))
    assert found.metadata == {"field": "action.name"}


async def test_a_caller_beyond_its_rate_is_told_when_to_come_back(open_door: OpenDoor) -> None:
    door = await open_door(Limits(calls_per_second=10.0, burst=3))
    async with door.channel() as channel:
        for _ in range(3):
            await ask(channel)
        found = await refused(ask(channel))
        assert (found.code, found.reason) == (EXHAUSTED, "RATE_LIMITED")
        assert found.metadata == {"limit_per_second": "10"}
        assert found.retry_after is not None
        assert 0 < found.retry_after <= 0.1
        await asyncio.sleep(found.retry_after + 0.01)
        assert await ask(channel) == "hello"


async def test_calls_beyond_the_concurrency_limit_are_refused(open_door: OpenDoor) -> None:
    gate = asyncio.Event()

    async def wait(text: str) -> str:
        await gate.wait()
        return text

    door = await open_door(Limits(calls_in_flight=2), Echo(wait))
    async with door.channel() as channel:
        held = [asyncio.ensure_future(ask(channel)) for _ in range(2)]
        await until(lambda: door.echo.begun == 2)
        found = await refused(ask(channel))
        assert (found.code, found.reason) == (EXHAUSTED, "CONCURRENCY_LIMITED")
        assert found.metadata == {"limit": "2"}
        gate.set()
        assert await asyncio.gather(*held) == ["hello", "hello"]
        await until(lambda: door.count("governd_calls_total", method=UNARY, grpc_code="OK") == 2)
        assert await ask(channel) == "hello"


async def test_one_call_at_a_time_never_meets_a_limit_of_one(open_door: OpenDoor) -> None:
    door = await open_door(Limits(calls_in_flight=1))
    async with door.channel() as channel:
        for _ in range(300):
            assert await ask(channel) == "hello"


async def test_a_cancelled_call_gives_its_place_back(open_door: OpenDoor) -> None:
    async def never(text: str) -> str:
        await asyncio.Event().wait()
        return text

    door = await open_door(Limits(calls_in_flight=1), Echo(never))
    async with door.channel() as channel:
        for _ in range(3):
            found = await refused(ask(channel, seconds=0.05))
            assert found.code is grpc.StatusCode.DEADLINE_EXCEEDED
            await asyncio.sleep(0.02)
    labels = {"method": UNARY, "grpc_code": "CANCELLED"}
    await until(lambda: door.count("governd_calls_total", **labels) == 3)


async def test_calls_that_never_send_their_message_are_limited_too(open_door: OpenDoor) -> None:
    door = await open_door(Limits(calls_in_flight=2))
    async with door.channel() as channel:
        # To the wire a unary call that holds its message back is a stream like this.
        slow = [stream(channel, UNARY) for _ in range(2)]
        await until(lambda: door.calls_in_flight() == 2)
        assert (await refused(ask(channel))).reason == "CONCURRENCY_LIMITED"
        for call in slow:
            call.cancel()
        await until(lambda: door.calls_in_flight() == 0)
        assert await ask(channel) == "hello"


async def test_streams_beyond_the_limit_are_refused_and_calls_still_pass(
    open_door: OpenDoor,
) -> None:
    door = await open_door(Limits(streams=1))
    async with door.channel() as channel:
        first = stream(channel)
        await first.write(message("one"))
        assert await read(first) == "one"
        second = stream(channel)
        found = await refused(second.read())
        assert (found.code, found.reason) == (EXHAUSTED, "STREAMS_LIMITED")
        assert await ask(channel) == "hello"
        first.cancel()


async def test_connections_beyond_the_limit_are_closed(open_door: OpenDoor) -> None:
    door = await open_door(Limits(connections=2))
    held = [door.channel() for _ in range(2)]
    for channel in held:
        assert await ask(channel) == "hello"
    assert connections.of_sockets().total() >= 2
    async with door.channel() as channel:
        found = await refused(ask(channel, seconds=2.0))
        assert found.code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}
    assert await ask(held[0]) == "hello"
    for channel in held:
        await channel.close()
    await until(lambda: connections.of_sockets().total() == 0)
    async with door.channel() as channel:
        assert await ask(channel) == "hello"


async def test_a_listener_is_full_from_its_last_free_connection_on(open_door: OpenDoor) -> None:
    limits = Limits(connections=2)
    full, other = await open_door(limits), await open_door(limits, name="other.sock")
    listeners = [full.listener, other.listener]
    held = [full.channel(), other.channel(), full.channel()]
    for channel, expected in zip(held, (0, 0, 1), strict=True):
        assert await ask(channel) == "hello"
        assert connections.full(listeners) == expected
    assert connections.total(listeners) == 3
    for channel in held:
        await channel.close()
    await until(lambda: connections.full(listeners) == 0)


async def test_what_grpc_itself_refuses_has_no_reason_and_counts_as_cancelled(
    open_door: OpenDoor,
) -> None:
    """As docs/operations.md says; if gRPC ever learns better, so must the table."""
    door = await open_door(Limits(metadata_bytes=2048))
    async with door.channel() as channel:
        large = await refused(unary(channel)(b"\0" * (4 * 4096 + 1)))
        headers = await refused(unary(channel)(b"", metadata=(("x", "y" * 4000),)))
    assert large == headers == Refusal(EXHAUSTED, "", {}, None)
    labels = {"method": UNARY, "grpc_code": "CANCELLED"}
    await until(lambda: door.count("governd_calls_total", **labels) == 2)


async def test_connections_that_say_nothing_take_up_places_only_up_to_the_limit(
    open_door: OpenDoor,
) -> None:
    door = await open_door(Limits(connections=4))
    silent = [socket.socket(socket.AF_UNIX) for _ in range(50)]
    path = str(door.path)
    for connection in silent:
        connection.connect(path)
    await until(lambda: connections.of_sockets().total() <= 4)
    for connection in silent:
        connection.close()
    await until(lambda: connections.of_sockets().total() == 0)
    async with door.channel() as channel:
        assert await ask(channel) == "hello"


async def test_what_is_not_http2_is_no_harm(open_door: OpenDoor) -> None:
    door = await open_door()
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.connect(str(door.path))
        stranger.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + b"\xff" * 10_000)
        async with door.channel() as channel:
            assert await ask(channel) == "hello"
