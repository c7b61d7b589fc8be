"""Where governd's sockets are, and how to reach them. Standard library only.

The forms of an address follow gRPC's naming (``unix:path``, ``unix:///absolute``):
https://github.com/grpc/grpc/blob/master/doc/naming.md
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

WORKLOAD_SOCKET = "/governd/governd.sock"
"""Where a workload finds the socket that is its own."""

WORKLOAD_SOCKET_VARIABLE = "GOVERND_SOCKET"

ADMIN_SOCKET = "/run/governd/admin.sock"
"""Where the operator's socket is unless configured otherwise."""

ADMIN_SOCKET_VARIABLE = "GOVERND_ADMIN_SOCKET"

_MOST_BYTES = 107
"""Room in ``sockaddr_un`` beside the final NUL (unix(7))."""


def parse(address: str) -> Path:
    """The path in ``/path``, ``unix:/path`` or ``unix:///path``, made absolute.

    Raises:
        ValueError: It names no Unix socket.
    """
    path = address.removeprefix("unix:")
    if path != address and path.startswith("//"):
        path = path[2:]
        if not path.startswith("/"):
            message = f'socket: "{address}" names a host; expected "unix:///absolute/path"'
            raise ValueError(message)
    if not path or "\0" in path or "://" in path:
        message = f'socket: "{address}" is no path of a Unix socket'
        raise ValueError(message)
    return Path(path).absolute()


@contextmanager
def reachable(path: Path) -> Iterator[str]:
    """A name for ``path`` that fits into a socket's address, good within the block.

    Raises:
        OSError: There is nothing at the path, or it cannot be reached.
    """
    if len(os.fsencode(path)) <= _MOST_BYTES:
        yield str(path)
        return
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
