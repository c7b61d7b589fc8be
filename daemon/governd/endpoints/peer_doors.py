"""Opens the listeners whose callers show certificates, each as soon and as long as it can be.

That needs an identity to serve with and a trust bundle to verify callers by, and both come
from outside: everything else goes on meanwhile, and ``waiting`` and the log say what is
missing. Where the identity is revoked, or ends, they close until there is another.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Protocol, TypeAlias

from structlog.typing import FilteringBoundLogger

from governd.config import MtlsListener
from governd.endpoints import sockets
from governd.endpoints.doors import Trust
from governd.endpoints.listener import Listener
from governd.endpoints.listeners import Listeners
from governd.errors import GoverndError, IdentityError
from governd.identity.svid import X509Svid
from governd.observability.log_keys import Key

RETRY_SECONDS = 1.0
"""Between two tries where nothing tells that another may help."""
MakeListener: TypeAlias = "Callable[[MtlsListener, Trust], Listener]"
"""Makes a listener, which is not open yet."""


class Issued(Protocol):
    """What issues identities, as far as these listeners need it."""

    async def ready(self) -> None:
        """Returns when governd has an identity to serve with, and its domain's trust bundle."""

    def serving(self) -> X509Svid:
        """What to serve with now. Any thread may ask.

        Raises:
            IdentityError: There is nothing.
        """

    def on_change(self, heed: Callable[[], object]) -> None:
        """Has ``heed`` called, at once, whenever there may be something else to serve with."""

    def bundles(self) -> AsyncIterator[Mapping[str, tuple[bytes, ...]]]:
        """The X.509 trust bundles by trust domain, now and whenever they are others."""


class PeerDoors:
    """The listeners of the configuration whose callers show certificates."""

    def __init__(
        self,
        entries: Sequence[MtlsListener],
        issued: Issued,
        listeners: Listeners,
        *,
        make: MakeListener,
        log: FilteringBoundLogger,
        on_change: Callable[[], object],
    ) -> None:
        """Opens none yet.

        Args:
            entries: Their sections of the configuration.
            issued: What issues identities.
            listeners: Those of the daemon.
            make: Makes one of them; raises what it waits for.
            log: Told of each reason to wait.
            on_change: Told when one is open or waits, or waits for something else.
        """
        self._entries = tuple(entries)
        self._issued = issued
        self._listeners = listeners
        self._make = make
        self._log = log
        self._on_change = on_change
        self._trust = Trust(issued.serving, {})
        self._news = asyncio.Event()
        self._waiting = {entry.name for entry in entries}
        self._made: dict[str, Listener] = {}
        self._why: dict[str, GoverndError] = {}
        self._told: dict[str, str] = {}

    def waiting(self) -> Iterator[str]:
        """What each listener that is not open waits for."""
        for name in (entry.name for entry in self._entries if entry.name in self._waiting):
            yield f"listener {name} waits: {self._why.get(name) or self._missing()}"

    def check(self) -> None:
        """Finds what no waiting will heal.

        Raises:
            ListenerError: A name is another listener's, or a path is not as it must be.
        """
        for entry in self._entries:
            self._listeners.check_free(entry.name)
            if entry.socket is not None:
                sockets.check(entry.socket)

    async def follow(self) -> None:
        """Trusts what is to be trusted, for as long as that is told."""
        async for bundles in self._issued.bundles():
            self._trust.replace(bundles)
            self._news.set()

    async def tend(self) -> None:
        """Opens each as soon as it can be, and closes all while there is nothing to serve with.

        Goes on for ever, unless there are none.
        """
        if not self._entries:
            return
        await self._issued.ready()
        self._issued.on_change(self._news.set)
        while True:
            self._news.clear()
            for entry in self._entries:
                await self._look_at(entry)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), RETRY_SECONDS)

    async def _look_at(self, entry: MtlsListener) -> None:
        waits = entry.name in self._waiting
        try:
            self._issued.serving()
            if waits:
                await self._open(entry)
        except GoverndError as error:
            if not waits:
                await self._close(entry.name)
            self._note(entry.name, error)

    async def _open(self, entry: MtlsListener) -> None:
        made = self._made.get(entry.name) or self._make(entry, self._trust)
        self._made[entry.name] = made
        await self._listeners.add(made)
        self._waiting.remove(entry.name)
        del self._made[entry.name]
        self._why.pop(entry.name, None)
        if self._told.pop(entry.name, None):
            self._log.info("listener waits no longer", **{Key.LISTENER: entry.name})
        self._on_change()

    async def _close(self, name: str) -> None:
        """A certificate that was revoked or has ended must not be shown to one caller more."""
        self._waiting.add(name)
        await self._listeners.remove(name, _nothing_to_serve_with)

    def _note(self, name: str, error: GoverndError) -> None:
        """Logs each reason once, and none that is another one at the next look."""
        why, before = str(error), str(self._why.get(name))
        self._why[name] = error
        if why != before:
            self._on_change()
        elif why != self._told.get(name):
            self._told[name] = why
            self._log.warning("listener waits", **{Key.LISTENER: name, Key.ERROR: why})

    def _missing(self) -> str:
        try:
            self._issued.serving()
        except IdentityError as error:
            return str(error)
        return "the trust bundle of governd's own trust domain has not come yet"


def _nothing_to_serve_with() -> IdentityError:
    return IdentityError("governd has no identity to serve with", retry_after=RETRY_SECONDS)
