"""Opens the listeners whose callers show certificates, each as soon as it can be.

That needs an identity to serve with and a trust bundle to verify callers by, and both come
from outside: everything else goes on meanwhile, and ``waiting`` says what is missing.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Protocol, TypeAlias

from governd.config import MtlsListener
from governd.endpoints.doors import Trust
from governd.endpoints.listener import Listener
from governd.endpoints.listeners import Listeners
from governd.errors import GoverndError, IdentityError
from governd.identity.svid import X509Svid

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
        on_change: Callable[[], object],
    ) -> None:
        """Opens none yet.

        Args:
            entries: Their sections of the configuration.
            issued: What issues identities.
            listeners: Those of the daemon.
            make: Makes one of them; raises what it waits for.
            on_change: Told when one more is open.
        """
        self._issued = issued
        self._listeners = listeners
        self._make = make
        self._on_change = on_change
        self._trust = Trust(issued.serving, {})
        self._news = asyncio.Event()
        self._waiting = {entry.name: entry for entry in entries}
        self._made: dict[str, Listener] = {}
        self._why: dict[str, GoverndError] = {}

    def waiting(self) -> Iterator[str]:
        """What each listener that is not open waits for."""
        for name in self._waiting:
            yield f"listener {name} waits: {self._why.get(name) or self._missing()}"

    async def follow(self) -> None:
        """Trusts what is to be trusted, for as long as that is told."""
        async for bundles in self._issued.bundles():
            self._trust.replace(bundles)
            self._news.set()

    async def open(self) -> None:
        """Opens one after the other; returns when all are open."""
        if self._waiting:
            await self._issued.ready()
        while self._waiting:
            self._news.clear()
            for entry in list(self._waiting.values()):
                await self._try(entry)
            if self._waiting:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), RETRY_SECONDS)

    async def _try(self, entry: MtlsListener) -> None:
        try:
            made = self._made.get(entry.name) or self._make(entry, self._trust)
            self._made[entry.name] = made
            await self._listeners.add(made)
        except GoverndError as error:
            self._why[entry.name] = error
        else:
            del self._waiting[entry.name], self._made[entry.name]
        self._on_change()

    def _missing(self) -> str:
        try:
            self._issued.serving()
        except IdentityError as error:
            return str(error)
        return "the trust bundle of governd's own trust domain has not come yet"
