"""The listeners of one daemon, those that stay and those that come and go.

Invariants:
    * No two listeners have the same name.
    * Once the daemon drains or stops, no listener opens any more.
"""

import asyncio
from collections.abc import Callable, Iterator

from governd.endpoints.chain import draining
from governd.endpoints.gate import Account
from governd.endpoints.listener import Listener
from governd.errors import GoverndError, ListenerError


class Listeners:
    """Opens, closes and counts listeners."""

    def __init__(self) -> None:
        """Has none yet."""
        self._open: dict[str, Listener] = {}
        self._closing = False

    def __iter__(self) -> Iterator[Listener]:
        """Those that are open now. Any thread may ask."""
        return iter(tuple(self._open.values()))

    def __len__(self) -> int:
        """How many are open. Any thread may ask."""
        return len(self._open)

    def accounts(self) -> Iterator[tuple[Listener, Account]]:
        """Every caller of each, as far as they are known."""
        for listener in self:
            for account in listener.accounts():
                yield listener, account

    async def add(self, listener: Listener) -> None:
        """Opens a listener; it answers when this returns.

        Raises:
            ListenerError: Its place cannot be had, or another one has its name.
            DrainingError: The daemon drains or stops.
        """
        self.check_free(listener.name)
        self._open[listener.name] = listener
        try:
            await listener.start()
        except BaseException:
            self._open.pop(listener.name, None)
            raise
        if self._closing:  # since then
            self._open.pop(listener.name, None)
            await listener.stop()
            raise draining()

    async def remove(self, name: str, why: Callable[[], GoverndError]) -> None:
        """Closes a listener; its calls end at once. Does nothing where there is none.

        Args:
            name: Of the listener.
            why: Makes what its callers are told.
        """
        listener = self._open.get(name)
        if listener is None:
            return
        try:
            await listener.shut(why)
        finally:
            self._open.pop(name, None)

    async def drain(self, grace: float) -> int:
        """Refuses new calls, lets calls that have begun finish, and closes all.

        Args:
            grace: Seconds for calls in flight.

        Returns:
            How many calls had to be ended.
        """
        self._closing = True
        ended = await asyncio.gather(*(listener.drain(grace) for listener in self))
        await self.stop()
        return sum(ended)

    async def stop(self) -> None:
        """Closes all at once, but for answers that are on their way."""
        self._closing = True
        await asyncio.gather(*(listener.stop() for listener in self))
        self._open.clear()

    def check_free(self, name: str) -> None:
        """Whether a listener of that name could open now.

        Raises:
            ListenerError: Another one has the name.
            DrainingError: The daemon drains or stops.
        """
        if self._closing:
            raise draining()
        if name in self._open:
            message = f"listener {name}: another one has that name"
            raise ListenerError(message)
