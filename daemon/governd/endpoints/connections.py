"""How many connections callers have, from the kernel's tables: gRPC does not tell.

An accepted Unix socket keeps the name that its listener was bound to, not the one it was
given: a random name, which says whose it is (``socket_names.py``). A TCP connection has its
listener's port.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from governd.endpoints import socket_names

_UNIX = Path("/proc/net/unix")
_UNIX_CONNECTED = "03"
_TCP = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_TCP_ESTABLISHED = "01"


class Counted(Protocol):
    """A listener whose connections can be counted."""

    @property
    def limit(self) -> int:
        """The most that it takes."""

    def connections(self, of_sockets: Mapping[str, int]) -> int:
        """How many it has, given those of all Unix sockets."""


def total(listeners: Iterable[Counted]) -> int:
    """The connections to all of them."""
    found = of_sockets()
    return sum(one.connections(found) for one in listeners)


def full(listeners: Iterable[Counted]) -> int:
    """How many of them take no more connections."""
    found = of_sockets()
    return sum(one.connections(found) >= one.limit for one in listeners)


def of_sockets() -> Counter[str]:
    """The connections to each Unix socket of this process that has any, by its random name."""
    ours = f"/{socket_names.prefix()}"
    count: Counter[str] = Counter()
    for columns in _rows(_UNIX, 7):
        if len(columns) == 8 and columns[5] == _UNIX_CONNECTED and ours in columns[7]:  # noqa: PLR2004
            count[columns[7].rstrip("\n").rpartition("/")[2]] += 1
    return count


def of_port(port: int) -> int:
    """The connections to a TCP port of this machine."""
    ours = f":{port:04X}"
    return sum(
        columns[3] == _TCP_ESTABLISHED and columns[1].endswith(ours)
        for table in _TCP
        if table.exists()
        for columns in _rows(table, 4)
    )


def _rows(table: Path, columns: int) -> Iterator[list[str]]:
    with table.open() as lines:
        next(lines)  # the heads
        for line in lines:
            yield line.split(maxsplit=columns)
