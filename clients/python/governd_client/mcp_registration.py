"""Keeps governd told of what an MCP server offers.

Rules:
    * Until a registration was accepted, ``hold`` raises: what this server's definitions are
      held to, and what they require beside the policy's word, is not known before.
    * What is listed and not registered ends the registration, until a newer one was accepted.
    * Once ``changed`` was called, ``hold`` raises until the lists were read again and are what
      is registered.
    * The lists are read and registered again every minute, so that a change that nobody told
      of is found out, and a governd which lost the registration learns it again; that this
      fails ends nothing, unless they are not the same any more.
    * What governd would refuse, or refused, is left out and kept from everybody; the rest is
      registered.
    * What governd refuses is asked again after growing pauses, whatever the reason: its policy
      may change.
"""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Callable, Sequence
from typing import Final, NoReturn

from governd_client.aio import AsyncClient
from governd_client.backoff import Backoff
from governd_client.definitions import Definition, Kind, RegistrationResult
from governd_client.errors import DefinitionInvalidError, GoverndError, UnavailableError
from governd_client.mcp_lists import Entry, ListError
from governd_client.mcp_offer import Bounds, Offer, Requires, definition_of
from governd_client.mcp_sources import Lists, Source, collect, lists_of
from governd_client.mcp_submission import Submission, tell_offer, tell_result

REFRESH_SECONDS: Final = 60.0
RETRY_SECONDS: Final = 30.0
"""How long a registration that could not be refreshed counts as fresh."""
CHANGE_SECONDS: Final = 1.0
"""Lists that change all the time are registered anew no oftener than this."""
MAX_GATHERED: Final = 4096
"""Definitions that are kept where there is no source to say which of them are still there."""

_LOGGER: Final = logging.getLogger(__name__)


class ToolRegistration:
    """The registration of one MCP server.

    Give it to ``PolicyMiddleware``, which registers with the first request and whenever what
    the server lists has changed. ``run`` registers without waiting for a request.

    Attributes:
        result: What became of the last registration that was accepted.
    """

    def __init__(
        self,
        client: AsyncClient,
        *,
        server: str = "",
        source: Source | None = None,
        requires: Requires | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Registers nothing yet.

        Args:
            client: Asks governd, as the identity of this MCP server.
            server: The name under which the policy declares this server; needed only where
                it declares several with this workload's SPIFFE ID.
            source: What lists everything that the server offers: an ``MCPServer`` itself, the
                session with the server behind a proxy, or a function. ``None`` to take what
                the server answers to those who ask; then everything that it ever answered to
                anybody counts.
            requires: Capabilities that callers of tools need, by the tools' names; beside
                those that the tools' ``_meta`` says.
            clock: Seconds that never go back.

        Raises:
            TypeError: What a tool requires is one text in the place of several.
        """
        for name, needed in (requires or {}).items():
            if isinstance(needed, str):
                message = f"requires: expected a collection for {name!r}, got {needed!r}"
                raise TypeError(message)
        self.result: RegistrationResult | None = None
        self._source = None if source is None else lists_of(source)
        self._requires = requires or {}
        self._clock = clock
        self._lock = asyncio.Lock()
        self._backoff = Backoff(most=RETRY_SECONDS, optional=False)
        self._offer = Offer()
        bounds = Bounds() if self._source else Bounds(MAX_GATHERED)
        self._submission = Submission(client, server, bounds)
        self._accepted = False
        self._changes = self._heeded = 0
        self._fresh_until = -math.inf
        self._changed_at = -math.inf

    async def run(self) -> None:
        """Registers what ``source`` lists, and again and again. Runs until it is cancelled.

        Raises:
            ValueError: There is no ``source``.
        """
        if self._source is None:
            message = "source: expected what lists what the server offers"
            raise ValueError(message)
        while True:
            with contextlib.suppress(GoverndError):  # it was logged
                await self.hold(self._source)
            now = self._clock()
            pause = self._fresh_until - now if self._accepted else self._backoff.wait(now)
            await asyncio.sleep(max(pause, CHANGE_SECONDS))

    async def hold(self, lists: Lists) -> None:
        """Returns while a registration is in force; registers where it has to.

        Args:
            lists: What to ask for lists where there is no ``source``.

        Raises:
            GoverndError: None is in force.
        """
        if self._is_in_force() and (self._lock.locked() or self._clock() < self._fresh_until):
            return
        async with self._lock:
            if self._is_in_force() and self._clock() < self._fresh_until:
                return
            try:
                await self._register(lists)
            except GoverndError:
                if not self._is_in_force():
                    raise
                self._fresh_until = self._clock() + RETRY_SECONDS

    def changed(self) -> None:
        """Says that the lists may be others now.

        Until they were read again, and are what is registered, every request waits or is
        refused. For a proxy, whose server tells of changes: ``notifications/tools/list_changed``
        and likewise of resources and prompts.
        """
        self._changes += 1

    async def heed(self, entries: Sequence[Entry], lists: Lists) -> None:
        """Registers anew where a list has something else than what is registered.

        Args:
            entries: What is listed.
            lists: What to ask for lists where there is no ``source``.

        Raises:
            GoverndError: What is new could not be registered.
        """
        if all(map(self._knows, entries)) or self._clock() < self._changed_at + CHANGE_SECONDS:
            return
        async with self._lock:
            if all(map(self._knows, entries)):
                return  # registered while this one waited
            self._accepted = False
            await self._register(lists)
            self._changed_at = self._clock()

    def has(self, entry: Entry) -> bool:
        """Whether an entry of a list is registered as it is."""
        definition = self._definition(entry)
        return definition is not None and self._offer.has(entry.kind, entry.name, definition)

    def refuses(self, kind: Kind, name: str) -> bool:
        """Whether nothing may be done with what has that name, since it is left out."""
        return self._offer.refuses(kind, name)

    def _knows(self, entry: Entry) -> bool:
        return self._offer.knows(entry.kind, entry.name, self._definition(entry))

    def _definition(self, entry: Entry) -> Definition | None:
        try:
            return definition_of(entry, self._requires)
        except DefinitionInvalidError:
            return None

    def _is_in_force(self) -> bool:
        return self._accepted and self._heeded == self._changes

    async def _register(self, lists: Lists) -> None:
        if not self._accepted:
            self._check_backoff()
        changes = self._changes
        offer = await self._listed(lists)
        if offer != self._offer:
            self._accepted = False  # it holds for something else
        self._heeded = changes
        if self._accepted and self._clock() < self._fresh_until:
            return
        self._check_backoff()
        try:
            result, offer = await self._submission.submit(offer)
        except GoverndError as error:
            self._backoff.failed(error, self._clock())
            _fail("what this server offers could not be registered", error)
        self._backoff.worked()
        tell_result(result, self.result)
        tell_offer(offer, self._offer, self._requires)
        self._offer, self.result, self._accepted = offer, result, True
        self._fresh_until = self._clock() + REFRESH_SECONDS

    def _check_backoff(self) -> None:
        if not self._backoff.ready(self._clock()):
            message = "what this server offers is not registered"
            raise UnavailableError(message)

    async def _listed(self, lists: Lists) -> Offer:
        """What there is to be registered."""
        try:
            offer = Offer.of(await collect(self._source or lists), self._requires)
        except GoverndError as error:
            _fail("what this server offers could not be listed", error)
        if self._source is None:
            # Who asks may be shown less than others were: nothing is forgotten.
            offer = self._offer.updated(offer)
        return self._submission.fitting(offer)


def _fail(message: str, error: GoverndError) -> NoReturn:
    # What the server raised while it listed is the server's own: it needs the trace.
    cause = error.__cause__ if isinstance(error, ListError) else None
    _LOGGER.warning("%s: %s", message, error, exc_info=cause)
    raise error
