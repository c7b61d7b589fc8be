"""The plugin's life: its two sockets, and the volumes behind them.

Order: pods have their sockets back before kubelet is answered, and kubelet is answered before
it can find the plugin. In a drain kubelet loses sight of it first. A socket that somebody
removed is put back within a second: kubelet registers the plugin again when it appears.

The CSI socket makes callers, so nobody but root gets to it: its mode is 0600, and that of its
directory 0700, which governd sees to.
"""

import asyncio
import os
import stat
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import NoReturn, Protocol

from structlog.typing import FilteringBoundLogger

from governd.application.operate import Component
from governd.endpoints.csi import servicers
from governd.endpoints.csi.place import WatchedPlace
from governd.endpoints.listener import Listener
from governd.endpoints.methods import Register
from governd.endpoints.places import Place
from governd.errors import ListenerError

NAME, REGISTRATION = "csi", "csi-registration"
"""Names of the two listeners."""
_LOOK_SECONDS = 1.0
_SWEEP_LOOKS = 30
_SOCKET_MODE = 0o600
_DIRECTORY_MODE = 0o700

MakeListener = Callable[[str, Place, Sequence[Register]], Listener]
"""A listener of that name, at that place, with these services: for kubelet alone."""


class Volumes(servicers.Volumes, Protocol):
    """The use case, with what the plugin's life needs of it."""

    async def restore(self) -> None:
        """Opens the sockets again of what was published before governd started."""

    def kubelet_registered(self) -> None:
        """Kubelet knows the plugin from now on."""

    async def sweep(self) -> None:
        """Gives up the volumes of pods that are gone."""

    @property
    def count(self) -> int:
        """How many are published."""

    @property
    def problem(self) -> str:
        """Why they would not outlive a restart; ``""`` if they would."""


class CsiPlugin:
    """Serves kubelet, and looks after its sockets."""

    def __init__(
        self,
        volumes: Volumes,
        make_listener: MakeListener,
        log: FilteringBoundLogger,
        *,
        socket: Path,
        registration_socket: Path,
        node: str,
        version: str,
        on_change: Callable[[], object],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Opens nothing yet.

        Args:
            volumes: What publishes.
            make_listener: Makes the two listeners.
            log: Told of registrations, and of sockets that were put back.
            socket: Where CSI is served.
            registration_socket: Where kubelet finds the plugin.
            node: This node's name.
            version: governd's.
            on_change: Told when kubelet has taken the plugin, or not.
            sleep: Waits for so many seconds.
        """
        self._volumes = volumes
        self._log = log
        self._socket = socket
        self._on_change = on_change
        self._sleep = sleep
        self._refusal: str | None = None
        csi = servicers.csi(volumes, node=node, version=version)
        register = servicers.registration(socket, self._registered)
        self._places = (
            WatchedPlace(socket, _SOCKET_MODE),
            WatchedPlace(registration_socket, _SOCKET_MODE),
        )
        self.listeners = tuple(
            make_listener(name, place, services)
            for name, place, services in zip(
                (NAME, REGISTRATION), self._places, (csi, register), strict=True
            )
        )
        self._problems = ["" for _ in self.listeners]
        self._turn = asyncio.Lock()
        self._closing = False

    async def start(self) -> None:
        """Brings pods' sockets back, then answers kubelet, then lets it find the plugin.

        Raises:
            ListenerError: One of the two sockets cannot be put at its path safely.
        """
        await self._volumes.restore()
        keep_private(self._socket.parent)
        for listener in self.listeners:
            await listener.start()

    async def tend(self) -> NoReturn:
        """Puts back what was removed, and gives up volumes of pods that are gone, for ever."""
        looks = 0
        while True:
            await self._sleep(_LOOK_SECONDS)
            async with self._turn:
                for index in range(len(self.listeners)):
                    await self._look_after(index)
            looks = (looks + 1) % _SWEEP_LOOKS
            if looks == 0:
                await self._volumes.sweep()

    async def drain(self, grace: float) -> int:
        """Kubelet finds the plugin no more; what it has asked for is finished.

        Args:
            grace: Seconds for calls in flight.

        Returns:
            How many calls had to be ended.
        """
        await self._close()
        draining = [listener.drain(grace) for listener in reversed(self.listeners)]
        return sum(await asyncio.gather(*draining))

    async def stop(self) -> None:
        """Closes both sockets at once."""
        await self._close()
        for listener in reversed(self.listeners):
            await listener.stop()

    def component(self) -> Component:
        """Its state, for operators."""
        detail = f"{self._volumes.count} pod sockets"
        if self._volumes.problem:
            detail = f"{detail}; a restart would lose them: {self._volumes.problem}"
        if self._refusal:
            refused = f"{detail}; kubelet refused the plugin: {self._refusal}"
            return Component(NAME, ready=False, detail=refused)
        said = "" if self._refusal is not None else "; kubelet has not registered the plugin yet"
        return Component(NAME, ready=True, detail=detail + said)

    async def _close(self) -> None:
        """From here on nothing that is gone is put back."""
        async with self._turn:
            self._closing = True

    def _registered(self, problem: str) -> None:
        if problem:
            self._log.error("kubelet refused the plugin", error=problem)
        else:
            self._log.info("kubelet registered the plugin")
            self._volumes.kubelet_registered()
        self._refusal = problem
        self._on_change()

    async def _look_after(self, index: int) -> None:
        if self._closing or self._places[index].is_there():
            return
        listener = self.listeners[index]
        await listener.stop()
        try:
            keep_private(self._socket.parent)
            await listener.start()
        except (ListenerError, OSError) as error:
            self._tell(index, str(error))
        else:
            self._tell(index, "")
            self._log.warning("socket was removed, put back", socket=str(listener.place))

    def _tell(self, index: int, problem: str) -> None:
        """Logs a failure once."""
        if problem not in {"", self._problems[index]}:
            self._log.error("socket was removed, cannot be put back", error=problem)
        self._problems[index] = problem


def keep_private(directory: Path) -> None:
    """Makes a directory, or makes it nobody's but ours: mode 0700.

    Raises:
        ListenerError: It is a symbolic link or another user's, or cannot be made.
    """
    try:
        directory.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
        found = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            _make_private(found)
        finally:
            os.close(found)
    except OSError as error:
        message = f"{directory}: {error.strerror}"
        raise ListenerError(message) from error


def _make_private(directory: int) -> None:
    if stat.S_IMODE(os.fstat(directory).st_mode) != _DIRECTORY_MODE:
        os.fchmod(directory, _DIRECTORY_MODE)
