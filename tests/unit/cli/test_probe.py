"""The health probe against every kind of other side, without a socket."""

import time
from collections.abc import Callable, Iterator

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import pytest
from hypothesis import given
from hypothesis import strategies as st

from governd.cli import probe

Headers = list[tuple[str, str]]
START: Headers = [(":status", "200"), ("content-type", "application/grpc")]
OK: Headers = [("grpc-status", "0")]


class FakeServer:
    """The other end of a connection: an HTTP/2 server that answers as it is told.

    Attributes:
        asked: Headers and body of the question.
    """

    def __init__(self, *answer: Headers | bytes) -> None:
        config = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        self._http = h2.connection.H2Connection(config)
        self._http.initiate_connection()
        self._answer = answer
        self.asked: tuple[dict[str, str], bytes] = ({}, b"")

    def settimeout(self, value: float, /) -> None:
        assert value > 0

    def recv(self, size: int, /) -> bytes:
        return self._http.data_to_send(size)

    def sendall(self, data: bytes, /) -> None:
        for event in self._http.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                self.asked = ({str(k): str(v) for k, v in event.headers}, b"")
            elif isinstance(event, h2.events.DataReceived):
                self.asked = (self.asked[0], self.asked[1] + event.data)
            elif isinstance(event, h2.events.StreamEnded):
                self._reply(event.stream_id)

    def _reply(self, stream: int) -> None:
        *rest, last = self._answer
        for part in rest:
            self._send(stream, part, end=False)
        self._send(stream, last, end=True)

    def _send(self, stream: int, part: Headers | bytes, *, end: bool) -> None:
        if isinstance(part, bytes):
            self._http.send_data(stream, part, end_stream=end)
        else:
            self._http.send_headers(stream, part, end_stream=end)


class Silence:
    """The other end of a connection: certain bytes, whatever it is asked.

    Attributes:
        sent: How many bytes were read.
    """

    def __init__(self, chunks: Callable[[], Iterator[bytes]]) -> None:
        self._chunks = chunks()
        self.sent = 0

    def settimeout(self, value: float, /) -> None:
        assert value > 0

    def recv(self, size: int, /) -> bytes:
        chunk = next(self._chunks, b"")[:size]
        self.sent += len(chunk)
        return chunk

    def sendall(self, data: bytes, /) -> None:
        assert data is not None


def message(body: bytes) -> bytes:
    return b"\0" + len(body).to_bytes(4) + body


def ask(stream: probe.Stream, service: str = "") -> str:
    return probe.converse(stream, service, time.monotonic() + 5)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", "UNKNOWN"),
        (b"\x08\x01", "SERVING"),
        (b"\x08\x02", "NOT_SERVING"),
        (b"\x08\x03", "SERVICE_UNKNOWN"),
    ],
)
def test_each_status_is_read(body: bytes, status: str) -> None:
    assert ask(FakeServer(START, message(body), OK)) == status


def test_the_question_is_a_grpc_call_with_a_deadline() -> None:
    server = FakeServer(START, message(b"\x08\x01"), OK)
    ask(server, "governd.v1.PolicyService")
    headers, body = server.asked
    assert headers[":path"] == "/grpc.health.v1.Health/Check"
    assert headers["content-type"] == "application/grpc"
    assert 4000 < int(headers["grpc-timeout"].removesuffix("m")) <= 5000
    assert body == message(b"\x0a\x18governd.v1.PolicyService")


def test_a_long_name_is_sent_whole() -> None:
    server = FakeServer(START, message(b"\x08\x01"), OK)
    ask(server, "a" * 300)
    assert server.asked[1] == message(b"\x0a\xac\x02" + b"a" * 300)


@pytest.mark.parametrize(
    "body",
    [b"\x08\x04", b"\x08", b"\x10\x01", b"\x08\x01\x08", b"\x08\x81\x00", b"\x08\x01" * 2],
)
def test_what_is_no_health_status_is_not_serving(body: bytes) -> None:
    with pytest.raises(probe.ProbeError, match="no health status"):
        ask(FakeServer(START, message(body), OK))


@pytest.mark.parametrize(
    "data", [b"", b"\0\0\0\0", b"\0\0\0\0\x09\x08\x01", b"\1\0\0\0\x02\x08\x01"]
)
def test_a_broken_or_compressed_message_is_not_serving(data: bytes) -> None:
    with pytest.raises(probe.ProbeError, match="no health status"):
        ask(FakeServer(START, data, OK))


def test_an_unknown_service_is_named() -> None:
    trailers: Headers = [*START, ("grpc-status", "5"), ("grpc-message", "unknown")]
    with pytest.raises(probe.ProbeError, match='governd has no service "nope"'):
        ask(FakeServer(trailers), "nope")


def test_another_grpc_status_is_told_with_its_message() -> None:
    trailers: Headers = [*START, ("grpc-status", "14"), ("grpc-message", "shutting%20down")]
    with pytest.raises(probe.ProbeError, match="gRPC status 14: shutting down"):
        ask(FakeServer(trailers))


def test_an_answer_after_the_servers_own_deadline_is_late() -> None:
    with pytest.raises(TimeoutError):
        ask(FakeServer([*START, ("grpc-status", "4")]))


def test_serving_without_a_status_is_not_serving() -> None:
    with pytest.raises(probe.ProbeError, match="gRPC status none"):
        ask(FakeServer(START, message(b"\x08\x01")))


def test_an_http_server_that_is_not_grpc_is_not_serving() -> None:
    with pytest.raises(probe.ProbeError, match="gRPC status none"):
        ask(FakeServer([(":status", "404")]))


def test_a_connection_that_ends_is_not_serving() -> None:
    with pytest.raises(ConnectionError):
        ask(Silence(lambda: iter([])))


def test_an_endless_answer_is_given_up() -> None:
    settings = b"\0\0\0\x04\0\0\0\0\0"

    def forever() -> Iterator[bytes]:
        while True:
            yield settings * 1000

    other = Silence(forever)
    with pytest.raises(probe.ProbeError, match="more than 65536 bytes"):
        ask(other)
    assert other.sent < 100_000


def test_a_deadline_ends_it_however_busy_the_other_side_is() -> None:
    settings = b"\0\0\0\x04\0\0\0\0\0"
    with pytest.raises(TimeoutError):
        probe.converse(Silence(lambda: iter([settings])), "", time.monotonic() - 1)


@given(st.lists(st.binary(min_size=1, max_size=200), max_size=5))
def test_no_bytes_at_all_are_serving_or_a_crash(chunks: list[bytes]) -> None:
    with pytest.raises((probe.ProbeError, ConnectionError, h2.exceptions.H2Error, UnicodeError)):
        ask(Silence(lambda: iter(chunks)))


@given(st.binary(max_size=40))
def test_any_message_is_a_status_or_refused(body: bytes) -> None:
    try:
        status = ask(FakeServer(START, message(body), OK))
    except probe.ProbeError:
        return
    assert (status == probe.SERVING) == (body == b"\x08\x01")
