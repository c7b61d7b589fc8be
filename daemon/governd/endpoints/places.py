"""Where a listener can be: at the path of a Unix socket, or at a TCP address."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from governd.endpoints import connections, sockets
from governd.errors import ListenerError

Listen = Callable[[str], int]
"""Binds and listens at a gRPC address; the port. E.g. ``grpc.aio.Server.add_insecure_port``."""


class Bound(Protocol):
    """A place that was taken."""

    def connections(self, of_sockets: Mapping[str, int]) -> int:
        """How many it has, given those of all Unix sockets."""

    def publish(self) -> None:
        """Lets callers find it."""

    def remove(self) -> bool:
        """Lets callers find it no more, as far as that can be; whether it could."""


class Place(Protocol):
    """Where a listener is to be. Its text is what operators read."""

    def bind(self, listen: Listen) -> Bound:
        """Takes the place.

        Raises:
            ListenerError: It cannot be had.
        """


@dataclass(frozen=True, slots=True)
class SocketPlace:
    """The path of a Unix socket.

    Attributes:
        path: Absolute.
        mode: Permission bits.
    """

    path: Path
    mode: int

    def __str__(self) -> str:
        """The path."""
        return str(self.path)

    def bind(self, listen: Listen) -> Bound:
        """Binds beside the path; it appears there when it is published."""
        return sockets.bind(self.path, self.mode, listen)


class AddressPlace:
    """A TCP address.

    Attributes:
        address: ``host:port``. Port 0 takes any free one, and is that one once it is bound.
    """

    def __init__(self, address: str) -> None:
        """Takes nothing yet."""
        self.address = address

    def __str__(self) -> str:
        """The address."""
        return self.address

    def bind(self, listen: Listen) -> Bound:
        """Binds to the address, where callers find it from then on."""
        try:
            port = listen(self.address)
        except RuntimeError as error:
            message = f"address {self.address}: cannot bind"
            raise ListenerError(message) from error
        self.address = f"{self.address.rpartition(':')[0]}:{port}"
        return _BoundAddress(port)


class _BoundAddress:
    """gRPC frees the port when the server stops."""

    def __init__(self, port: int) -> None:
        self._port = port

    def connections(self, of_sockets: Mapping[str, int]) -> int:
        """How many the port has."""
        del of_sockets
        return connections.of_port(self._port)

    def publish(self) -> None:
        """Nothing: it is found from the beginning."""

    def remove(self) -> bool:
        """Nothing: callers are told that the listener drains."""
        return False
