"""One door: a place, a server of its own, and who comes through it.

Everything that can be shared is: the table of methods with its chain, metrics, options.
A listener adds only gRPC's server and socket, and an interceptor that knows the caller: one
for all calls, whoever one workload is at the moment, or each call's by the certificate of its
connection.

Promises:
    * A path leads to a listener only while that listener answers.
    * A drain loses no call that has begun: new calls and streams get a status that says
      to come back, others finish within the grace period.
"""

import asyncio
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

import grpc
import grpc.aio

from governd.endpoints.chain import draining
from governd.endpoints.gate import Account
from governd.endpoints.interceptor import Interceptor
from governd.endpoints.places import Bound, Listen, Place
from governd.endpoints.tls import ServerTls
from governd.errors import GoverndError

Options = Sequence[tuple[str, int]]

_CONNECTIONS = "grpc.max_allowed_incoming_connections"
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


def channel_options(
    limits: ChannelLimits, *, connections: int | None = None, connection_age_ms: int | None = None
) -> Options:
    """Settings of a gRPC server, the same for all listeners of one kind.

    Args:
        limits: From the configuration.
        connections: To one listener, where that is not ``limits.connections``.
        connection_age_ms: When callers have to make a new connection; ``None``: never.
    """
    # Calls that have begun go on beyond it: what ends them is the end of their certificate.
    age = [("grpc.max_connection_age_ms", connection_age_ms)] if connection_age_ms else []
    return (
        *age,
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
        (_CONNECTIONS, connections or limits.connections),
        # A connection that never speaks TLS or HTTP/2 must not hold a place for two minutes.
        ("grpc.server_handshake_timeout_ms", _HANDSHAKE_MS),
        ("grpc.http2.min_ping_interval_without_data_ms", _PING_INTERVAL_MS),
        ("grpc.http2.max_ping_strikes", _PING_STRIKES),
        ("grpc.keepalive_permit_without_calls", 1),
        # Two daemons must never share a path.
        ("grpc.so_reuseport", 0),
    )


class Listener:
    """A gRPC server at one place.

    Attributes:
        name: For logs and ListCallers.
        place: Where callers find it.
        limit: The most connections that it takes.
    """

    def __init__(
        self,
        name: str,
        place: Place,
        *,
        interceptor: Interceptor,
        options: Options,
        tls: ServerTls | None = None,
    ) -> None:
        """Builds nothing yet: the server comes with ``start``.

        Args:
            name: For logs and ListCallers.
            place: Where callers find it.
            interceptor: Knows the caller, and admits calls.
            options: Settings of gRPC's server.
            tls: The certificate to serve with; ``None`` for a listener without TLS.
        """
        self.name = name
        self.place = place
        self.limit = dict(options)[_CONNECTIONS]
        self._interceptor = interceptor
        self._gate = interceptor.gate
        self._options = options
        self._tls = tls
        self._server: grpc.aio.Server | None = None
        self._starting: asyncio.Future[None] | None = None
        self._bound: Bound | None = None

    @property
    def is_open(self) -> bool:
        """Whether it still answers, if only to say that it is draining."""
        return self._server is not None

    def accounts(self) -> Iterable[Account]:
        """Its callers, as far as they are known, and what came from each."""
        return self._interceptor.accounts()

    def connections(self, of_sockets: Mapping[str, int]) -> int:
        """How many connections it has, given those of all Unix sockets."""
        return self._bound.connections(of_sockets) if self._bound else 0

    async def start(self) -> None:
        """Binds, answers, and only then appears at its path.

        Raises:
            ListenerError: The place cannot be had safely.
            DrainingError: It was withdrawn before it answered.
        """
        server = grpc.aio.server(interceptors=[self._interceptor], options=self._options)
        self._bound = bound = self.place.bind(self._listen_on(server))
        self._server = server
        # gRPC trips over a start that is cancelled, and over a stop before it has started.
        self._starting = asyncio.ensure_future(server.start())
        try:
            await asyncio.shield(self._starting)
            self._publish(bound)
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
        ended = await self._gate.drain(grace)
        await self._gate.quiet()
        await self.stop()
        return ended

    async def shut(self, why: Callable[[], GoverndError]) -> None:
        """Takes the path away, ends every call at once, and stops.

        Args:
            why: Makes what callers are told.
        """
        self._withdraw()
        await self._gate.shut(why)
        await self.stop()

    async def stop(self) -> None:
        """Stops at once, but for answers that are on their way."""
        self._withdraw()
        server, self._server = self._server, None
        if server is not None and self._starting is not None:
            await asyncio.wait([self._starting])
            await server.stop(_FLUSH_SECONDS)

    def _listen_on(self, server: grpc.aio.Server) -> Listen:
        if self._tls is None:
            return server.add_insecure_port
        return functools.partial(server.add_secure_port, server_credentials=self._tls.credentials())

    def _publish(self, bound: Bound) -> None:
        if self._bound is not bound:  # it was withdrawn meanwhile
            raise draining()
        bound.publish()

    def _withdraw(self) -> None:
        # While the server lives the socket's inode cannot be another's.
        bound, self._bound = self._bound, None
        if bound is not None:
            bound.remove()
