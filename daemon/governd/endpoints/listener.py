"""One door: a socket, a server of its own, and the one caller that comes through it.

Everything that can be shared is: the table of methods with its chain, metrics, options.
A listener adds only gRPC's server and socket, an interceptor, and the caller.

Promises:
    * A path leads to a listener only while that listener answers.
    * A drain loses no call that has begun: new calls and streams get a status that says
      to come back, others finish within the grace period.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import grpc
import grpc.aio

from governd.endpoints import sockets
from governd.endpoints.interceptor import CallInterceptor, Use

Options = Sequence[tuple[str, int]]

_RECEIVE_CEILING = 4
_SEND_BYTES = 4 * 1024 * 1024
_HANDSHAKE_MS = 5_000
_PING_INTERVAL_MS = 10_000
_PING_STRIKES = 2
_IDENTITY_ONLY = 1
_FLUSH_SECONDS = 1.0


class ChannelLimits(Protocol):
    """The numbers from the configuration that hold for connections and messages."""

    @property
    def message_bytes(self) -> int:
        """The largest message that is parsed."""

    @property
    def connections(self) -> int:
        """Connections to one listener."""

    @property
    def streams_per_connection(self) -> int:
        """HTTP/2 streams on one connection."""

    @property
    def metadata_bytes(self) -> int:
        """The largest metadata of a call."""


def channel_options(limits: ChannelLimits) -> Options:
    """Settings of a gRPC server, the same for all listeners."""
    return (
        # Messages above message_bytes are refused by the chain, with a reason; those far
        # above it are not even read.
        ("grpc.max_receive_message_length", _RECEIVE_CEILING * limits.message_bytes),
        ("grpc.max_send_message_length", _SEND_BYTES),
        # gRPC inflates a message before it looks at its size. Nobody needs compression on
        # a Unix socket, so nobody gets to send a bomb.
        ("grpc.compression_enabled_algorithms_bitset", _IDENTITY_ONLY),
        ("grpc.max_concurrent_streams", limits.streams_per_connection),
        ("grpc.max_metadata_size", limits.metadata_bytes),
        # Between the two gRPC would refuse at random.
        ("grpc.absolute_max_metadata_size", limits.metadata_bytes),
        ("grpc.max_allowed_incoming_connections", limits.connections),
        # A connection that never speaks HTTP/2 must not hold a place for two minutes.
        ("grpc.server_handshake_timeout_ms", _HANDSHAKE_MS),
        ("grpc.http2.min_ping_interval_without_data_ms", _PING_INTERVAL_MS),
        ("grpc.http2.max_ping_strikes", _PING_STRIKES),
        ("grpc.keepalive_permit_without_calls", 1),
        # Two daemons must never share a path.
        ("grpc.so_reuseport", 0),
    )


class Listener:
    """A gRPC server on one Unix socket.

    Attributes:
        name: For logs and ListCallers.
        path: Where callers find it.
        caller: Who calls here; ``None`` for the operator.
    """

    def __init__(
        self, name: str, path: Path, mode: int, *, interceptor: CallInterceptor, options: Options
    ) -> None:
        """Builds nothing yet: the server comes with ``start``."""
        self.name = name
        self.path = path
        self.caller = interceptor.caller
        self._mode = mode
        self._interceptor = interceptor
        self._options = options
        self._server: grpc.aio.Server | None = None
        self._socket: sockets.ListenerSocket | None = None

    @property
    def is_open(self) -> bool:
        """Whether it still answers, if only to say that it is draining."""
        return self._server is not None

    def use(self, now: float) -> Use:
        """What came through so far; ``now`` is on the interceptor's clock."""
        return self._interceptor.use(now)

    async def start(self) -> None:
        """Binds, answers, and only then appears at its path.

        Raises:
            ListenerError: The socket cannot be put there safely.
        """
        server = grpc.aio.server(interceptors=[self._interceptor], options=self._options)
        self._socket = sockets.bind(self.path, self._mode, server.add_insecure_port)
        self._server = server
        try:
            await server.start()
            self._socket.publish()
        except BaseException:
            await self.stop()
            raise

    async def drain(self, grace: float) -> int:
        """Takes the path away, lets calls finish, and stops.

        Args:
            grace: Seconds for calls in flight.

        Returns:
            How many calls had to be ended: streams, and what outlasted the grace period.
        """
        self._withdraw()
        ended = await self._interceptor.drain(grace)
        await self._interceptor.quiet()
        await self.stop()
        return ended

    async def stop(self) -> None:
        """Stops at once, but for answers that are on their way."""
        self._withdraw()
        server, self._server = self._server, None
        if server is not None:
            await server.stop(_FLUSH_SECONDS)

    def _withdraw(self) -> None:
        # While the server lives the socket's inode cannot be another's.
        bound, self._socket = self._socket, None
        if bound is not None:
            bound.remove()
