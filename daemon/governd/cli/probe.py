"""Asks grpc.health.v1 over a Unix socket, without loading gRPC.

A probe runs every few seconds on every node. gRPC's Python library costs more than the
whole question: here are the few frames of HTTP/2 that one unary call takes.

Promises:
    * It ends by its deadline, whatever the other side does or does not do.
    * It reads at most 64 KiB.
    * What it cannot understand is a ``ProbeError``, never SERVING.

Sources: https://github.com/grpc/grpc/blob/master/doc/health-checking.md and
https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
"""

import socket
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote

import h2.config
import h2.connection
import h2.events
import h2.exceptions

from governd.cli.socket_path import reachable

SERVING = "SERVING"
_STATUSES = {0: "UNKNOWN", 1: SERVING, 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}
_METHOD = "/grpc.health.v1.Health/Check"
_MOST_BYTES = 65_536
_CHUNK = 16_384
_OK, _DEADLINE_EXCEEDED, _NOT_FOUND = "0", "4", "5"
_PREFIX_BYTES = 5
_VARINT_BYTES = 128
_STATUS_TAG = 0x08
_MOST_SHOWN = 200


class ProbeError(Exception):
    """The question had no usable answer; the message says why."""


def check(path: Path, service: str = "", *, timeout: float) -> str:
    """The health that governd reports.

    Args:
        path: Of one of its sockets.
        service: Full name of a gRPC service; ``""`` for governd as a whole.
        timeout: Seconds for everything together.

    Returns:
        A status of grpc.health.v1 by its name.

    Raises:
        ProbeError: There is no governd, it is too slow, or does not know the service.
    """
    deadline = time.monotonic() + timeout
    try:
        with reachable(path) as address, socket.socket(socket.AF_UNIX) as stream:
            stream.settimeout(timeout)
            stream.connect(address)
            return converse(stream, service, deadline)
    except TimeoutError as error:
        message = f"no answer on {path} within {timeout:g} s; is governd overloaded or stuck?"
        raise ProbeError(message) from error
    except FileNotFoundError as error:
        message = f"no socket at {path}; is governd running, and is this its path?"
        raise ProbeError(message) from error
    except ConnectionRefusedError as error:
        message = f"nothing listens on {path}; governd is not running"
        raise ProbeError(message) from error
    except ConnectionError as error:
        message = f"{path} ended the connection before an answer; is this governd's socket?"
        raise ProbeError(message) from error
    except OSError as error:
        message = f"cannot reach {path}: {(error.strerror or str(error)).lower()}"
        raise ProbeError(message) from error
    except (h2.exceptions.H2Error, UnicodeError) as error:
        message = f"what listens on {path} does not speak gRPC; is this governd's socket?"
        raise ProbeError(message) from error


class Stream(Protocol):
    """What a probe needs of a connected socket."""

    def settimeout(self, value: float, /) -> None:
        """Bounds what comes next, in seconds."""

    def recv(self, size: int, /) -> bytes:
        """Some bytes; none at the end."""

    def sendall(self, data: bytes, /) -> None:
        """Sends everything."""


def converse(stream: Stream, service: str, deadline: float) -> str:
    """Like ``check``, on a connection; ``deadline`` is of the monotonic clock.

    Raises:
        ProbeError: The other side has no usable answer.
        OSError: The connection broke, or the deadline passed (``TimeoutError``).
        h2.exceptions.H2Error: It does not speak HTTP/2.
    """
    return _Call(stream, deadline).check(service)


class _Call:
    """One unary call on a connection of its own."""

    def __init__(self, stream: Stream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline
        self._http = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self._headers: dict[str, str] = {}
        self._body = b""
        self._ended = False

    def check(self, service: str) -> str:
        self._ask(service)
        budget = _MOST_BYTES
        while not self._ended:
            self._stream.settimeout(self._left())
            data = self._stream.recv(_CHUNK)
            budget -= len(data)
            if not data:
                raise ConnectionResetError
            if budget < 0:
                message = f"the answer has more than {_MOST_BYTES} bytes; is this governd's socket?"
                raise ProbeError(message)
            self._take(self._http.receive_data(data))
            self._send()
        return self._answer(service)

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def _ask(self, service: str) -> None:
        name = service.encode()
        message = b"\x0a" + _varint(len(name)) + name if name else b""
        headers = [
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", "localhost"),
            (":path", _METHOD),
            ("grpc-timeout", f"{max(1, int(self._left() * 1000))}m"),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
            ("user-agent", "governd-healthcheck"),
        ]
        self._http.initiate_connection()
        number = self._http.get_next_available_stream_id()
        self._http.send_headers(number, headers)
        body = b"\x00" + len(message).to_bytes(4) + message
        self._http.send_data(number, body, end_stream=True)
        self._send()

    def _send(self) -> None:
        self._stream.settimeout(self._left())
        self._stream.sendall(self._http.data_to_send())

    def _take(self, events: Iterable[h2.events.Event]) -> None:
        for event in events:
            match event:
                case h2.events.ResponseReceived() | h2.events.TrailersReceived():
                    self._headers.update(_texts(event.headers))
                case h2.events.DataReceived():
                    self._body += event.data
                    self._http.acknowledge_received_data(
                        event.flow_controlled_length, event.stream_id
                    )
                case h2.events.StreamEnded():
                    self._ended = True
                case h2.events.StreamReset() | h2.events.ConnectionTerminated():
                    message = "governd refused the call; it may be at its limit of connections"
                    raise ProbeError(message)

    def _answer(self, service: str) -> str:
        code = self._headers.get("grpc-status", "")
        if code == _NOT_FOUND:
            message = f'governd has no service "{service}"'
            raise ProbeError(message)
        if code == _DEADLINE_EXCEEDED:
            raise TimeoutError
        if code != _OK:
            said = unquote(self._headers.get("grpc-message", ""))[:_MOST_SHOWN]
            message = f"governd answered with gRPC status {code or 'none'}: {said or 'no message'}"
            raise ProbeError(message)
        return _status(self._body)


def _texts(headers: Iterable[tuple[str | bytes, str | bytes]] | None) -> Mapping[str, str]:
    return {str(name): str(value) for name, value in headers or ()}


def _varint(number: int) -> bytes:
    out = b""
    while number >= _VARINT_BYTES:
        out += bytes([number % _VARINT_BYTES + _VARINT_BYTES])
        number //= _VARINT_BYTES
    return out + bytes([number])


def _status(body: bytes) -> str:
    """The status in a length-prefixed HealthCheckResponse; an empty one says UNKNOWN.

    Stricter than protobuf: a field that this governd does not send is not understood.
    """
    message = body[_PREFIX_BYTES:]
    if len(body) >= _PREFIX_BYTES and body[:_PREFIX_BYTES] == b"\0" + len(message).to_bytes(4):
        if not message:
            return _STATUSES[0]
        if (
            len(message) == len(b"\x08\x01")
            and message[0] == _STATUS_TAG
            and message[1] in _STATUSES
        ):
            return _STATUSES[message[1]]
    text = "the answer is no health status"
    raise ProbeError(text)
