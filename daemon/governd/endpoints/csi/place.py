"""A place of a socket that can be looked after: whoever removed the socket, it is noticed."""

from pathlib import Path

from governd.endpoints import sockets
from governd.endpoints.places import Bound, Listen
from governd.endpoints.sockets import ListenerSocket, OpenDirectory


class WatchedPlace:
    """The path of a Unix socket, like ``SocketPlace``."""

    def __init__(
        self, path: Path, mode: int, open_directory: OpenDirectory = sockets.open_directory
    ) -> None:
        """Takes nothing yet.

        Args:
            path: Absolute.
            mode: Permission bits.
            open_directory: Opens its directory, each time that it is needed.
        """
        self._path = path
        self._mode = mode
        self._open_directory = open_directory
        self._bound: ListenerSocket | None = None

    def __str__(self) -> str:
        """The path."""
        return str(self._path)

    def bind(self, listen: Listen) -> Bound:
        """Binds beside the path; it appears there when it is published.

        Raises:
            ListenerError: It cannot be had safely.
        """
        self._bound = sockets.bind(self._path, self._mode, listen, self._open_directory)
        return self._bound

    def is_there(self) -> bool:
        """Whether the socket that was bound last is what stands at the path."""
        return self._bound is not None and self._bound.is_there()
