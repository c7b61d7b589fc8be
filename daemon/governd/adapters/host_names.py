"""Addresses of hosts, as this machine looks names up (``getaddrinfo``: resolv.conf, hosts, NSS).

A look-up cannot be ended, and where a name server is silent it takes as long as the machine's
resolver waits: tens of seconds. So none takes a thread that another needs.

Promises:
    * Each name is looked up in a thread of its own: one that hangs has no other wait.
    * However many ask for a name, it is looked up once at a time, and whoever gives up ends that
      for nobody else. Nothing is kept: a name that was found is looked up again.
    * Who asks for a name that has been hanging is told so at once.
    * There are at most ``MOST_NAMES`` threads, and none keeps governd from ending.
"""

import asyncio
import contextlib
import ipaddress
import socket
import threading
import time
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from governd.application.issuer_ports import IssuerAwayError, NotAskedError

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Addresses: TypeAlias = tuple[Address, ...]
_Found: TypeAlias = Addresses | str
"""Where a name leads, or the kind of what went wrong. An error is raised by each who waited."""

MOST_NAMES = 64
HANGING_SECONDS = 6.0
"""More than the 5 s after which a resolver asks the next name server (resolv.conf(5))."""


class _LookUp(NamedTuple):
    found: "asyncio.Future[_Found]"
    began: float


def look_up(host: str) -> Addresses:
    """Where a name leads now, each address once; takes as long as it takes.

    Raises:
        OSError: Nowhere, or nobody can say.
        UnicodeError: It is no name.
    """
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(ipaddress.ip_address(one[4][0]) for one in found))


class HostNames:
    """Looks names up, for one event loop."""

    def __init__(
        self,
        look: Callable[[str], Addresses] = look_up,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Has looked nothing up yet.

        Args:
            look: Looks one up, in a thread.
            clock: Monotonic seconds.
        """
        self._look = look
        self._clock = clock
        self._under_way: dict[str, _LookUp] = {}

    async def addresses(self, host: str) -> Addresses:
        """Where a name leads; waits as long as its caller does.

        Raises:
            IssuerAwayError: Nowhere, or its name server is silent.
            NotAskedError: Too many other names are being looked up.
        """
        asked = self._under_way.get(host) or self._begin(host)
        if self._clock() - asked.began > HANGING_SECONDS:
            message = "cannot be asked: its name has been looked up for seconds, without an answer"
            raise IssuerAwayError(message)
        await asyncio.wait([asked.found])
        found = asked.found.result()
        if isinstance(found, str):
            message = f"cannot be asked: {found}"
            raise IssuerAwayError(message)
        return found

    def _begin(self, host: str) -> _LookUp:
        if len(self._under_way) >= MOST_NAMES:
            message = f"is not asked: {MOST_NAMES} other names are being looked up"
            raise NotAskedError(message)
        loop = asyncio.get_running_loop()
        begun = _LookUp(loop.create_future(), self._clock())
        # A daemon's thread: an executor's is waited for at the end of the process.
        name = f"look-up of {host}"
        threading.Thread(target=self._run, args=(loop, host), name=name, daemon=True).start()
        self._under_way[host] = begun
        return begun

    def _run(self, loop: asyncio.AbstractEventLoop, host: str) -> None:
        try:
            found: _Found = self._look(host)
        except (OSError, UnicodeError) as error:
            found = type(error).__name__
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(self._end, host, found)

    def _end(self, host: str, found: _Found) -> None:
        self._under_way.pop(host).found.set_result(found)
