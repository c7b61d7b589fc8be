"""A TLS client that does as it is told, for what a gRPC client would never do.

Blocking: tests run it in a thread. HTTP/2 is hyper-h2's.
"""

import socket
import ssl
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h2.config
import h2.connection
import h2.events

from tests.fakes.authority import Issued

SECONDS = 10.0
H2 = ("h2",)


def context(
    root_pem: bytes,
    issued: Issued | None,
    *,
    alpn: Sequence[str] = H2,
    versions: tuple[ssl.TLSVersion, ssl.TLSVersion] | None = None,
) -> ssl.SSLContext:
    """What to connect with: a certificate or none, protocols, TLS versions."""
    made = ssl.create_default_context(cadata=root_pem.decode())
    if issued is not None:
        with tempfile.TemporaryDirectory() as scratch:  # the ssl module reads files only
            file = Path(scratch) / "client.pem"
            file.write_bytes(issued.key_pem + issued.chain_pem)
            made.load_cert_chain(file)
    if alpn:
        made.set_alpn_protocols(list(alpn))
    if versions is not None:
        made.minimum_version, made.maximum_version = versions
    return made


@dataclass(frozen=True)
class Answer:
    """Trailers and message of one call."""

    status: int
    body: bytes
    headers: dict[str, str]


class TlsClient:
    """One connection."""

    def __init__(self, stream: ssl.SSLSocket) -> None:
        self.stream = stream
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self._h2.initiate_connection()
        self._flush()

    @property
    def session(self) -> ssl.SSLSession:
        """What a later connection can resume; there once something was read."""
        assert self.stream.session is not None
        return self.stream.session

    def call(self, method: str, message: bytes = b"") -> Answer:
        """A unary call."""
        number = self.begin(method)
        frame = b"\0" + len(message).to_bytes(4) + message
        self._h2.send_data(number, frame, end_stream=True)
        self._flush()
        return self._answer(number)

    def begin(self, method: str) -> int:
        """Begins a call, without a message; its number."""
        number = self._h2.get_next_available_stream_id()
        headers = [
            (":method", "POST"),
            (":scheme", "https"),
            (":path", method),
            (":authority", "governd"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
        ]
        self._h2.send_headers(number, headers)
        self._flush()
        return number

    def send(self, number: int, data: bytes) -> None:
        """Sends a piece of a call's message."""
        self._h2.send_data(number, data)
        self._flush()

    def _answer(self, number: int) -> Answer:
        body, found = b"", dict[str, str]()
        while True:
            data = self.stream.recv(65_536)
            assert data, "the connection was closed"
            for event in self._h2.receive_data(data):
                if getattr(event, "stream_id", number) != number:
                    continue
                match event:
                    case h2.events.ResponseReceived() | h2.events.TrailersReceived():
                        found.update(event.headers)  # type: ignore[arg-type]  # texts, as configured
                    case h2.events.DataReceived():
                        body += event.data
                    case h2.events.StreamEnded():
                        self._flush()
                        return Answer(int(found["grpc-status"]), body[5:], found)
            self._flush()

    def _flush(self) -> None:
        self.stream.sendall(self._h2.data_to_send())


@contextmanager
def connected(path: Path) -> Iterator[socket.socket]:
    """A plain connection to a Unix socket."""
    with socket.socket(socket.AF_UNIX) as stream:
        stream.settimeout(SECONDS)
        stream.connect(str(path))
        yield stream


@contextmanager
def connect(
    path: Path, tls: ssl.SSLContext, session: ssl.SSLSession | None = None
) -> Iterator[TlsClient]:
    """A connection, resumed from ``session`` where there is one."""
    with (
        connected(path) as stream,
        tls.wrap_socket(stream, server_hostname="governd", session=session) as wrapped,
    ):
        yield TlsClient(wrapped)
