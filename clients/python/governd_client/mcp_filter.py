"""Asks governd which entries of an MCP list may be shown, however long it is.

What cannot be asked about is not shown; where governd cannot be asked, nothing is.
"""

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from mcp.server.context import ServerRequestContext

from governd_client.aio import AsyncClient
from governd_client.definitions import Kind
from governd_client.evidence import Evidence
from governd_client.filtering import ListPhase
from governd_client.mcp_lists import Entry, Form, ListError, Page, clear, read_page
from governd_client.mcp_registration import ToolRegistration
from governd_client.mcp_shown import shown_page
from governd_client.mcp_sources import Lists

Context = ServerRequestContext[Any, Any]
Phase = Callable[[Context], ListPhase]
_LOGGER: Final = logging.getLogger(__name__)

MAX_ENTRIES: Final = 1024
MAX_BYTES: Final = 128 * 1024
"""Of names, in one question."""
_ENTRY_BYTES: Final = 96  # of an entry beside its name: its digest, and what frames them


class ListFilter:
    """Filters what one MCP server answers to list requests."""

    def __init__(
        self,
        client: AsyncClient,
        server: str,
        *,
        registration: ToolRegistration | None,
        phase: Phase,
        show_unpinned: bool,
    ) -> None:
        """Shows nothing that ``client`` does not show; see ``PolicyMiddleware``."""
        self._client = client
        self._server = server
        self._registration = registration
        self._phase = phase
        self._show_unpinned = show_unpinned
        self._left_out: dict[str, int] = {}

    async def filter(
        self,
        ctx: Context,
        form: Form,
        result: object,
        *,
        subject: str,
        evidence: Evidence | None = None,
        lists: Lists,
        traceparent: str | None,
    ) -> dict[str, Any]:
        """What may be shown of an answer.

        Args:
            ctx: The request.
            form: What it lists.
            result: The server's answer.
            subject: Who asked.
            evidence: In whose name, ``None`` for nobody but the subject.
            lists: What else the server lists.
            traceparent: W3C trace context.

        Raises:
            GoverndError: Nothing may be shown.
        """
        page = read_page(form, result)
        entries = await self._registered(page, lists)
        shown, valid_for = await visible(
            self._client,
            self._server,
            form.kind,
            entries,
            subject=subject,
            evidence=evidence,
            phase=self._phase_of(ctx),
            traceparent=traceparent,
        )
        return shown_page(
            page,
            shown,
            valid_for=valid_for,
            revision=ctx.protocol_version,
            show_unpinned=self._show_unpinned,
        )

    async def _registered(self, page: Page, lists: Lists) -> list[Entry]:
        entries = clear(page.entries)
        if self._registration is not None:
            await self._registration.heed(page.entries, lists)
            entries = [each for each in entries if self._registration.has(each)]
        left_out = len(page.result[page.form.member]) - len(entries)
        if left_out > self._left_out.get(page.form.method, 0):
            self._left_out[page.form.method] = left_out
            _LOGGER.warning("%s: %d entries cannot be decided on", page.form.method, left_out)
        return entries

    def _phase_of(self, ctx: Context) -> ListPhase:
        try:
            return ListPhase(self._phase(ctx))
        except Exception as error:
            message = "the phase of a list could not be determined"
            raise ListError(message) from error


async def visible(
    client: AsyncClient,
    server: str,
    kind: Kind,
    entries: Sequence[Entry],
    *,
    subject: str | None,
    evidence: Evidence | None = None,
    phase: ListPhase,
    traceparent: str | None = None,
) -> tuple[list[Entry], float]:
    """What of a list may be shown, and for how many seconds that holds.

    Args:
        client: Asks governd.
        server: The name under which the policy declares the MCP server.
        kind: What is listed.
        entries: The list.
        subject: Whom it is for, ``None`` for the client itself.
        evidence: In whose name, ``None`` for nobody but the subject.
        phase: For which moment of the subject's work.
        traceparent: W3C trace context.

    Raises:
        GoverndError: There is no answer: nothing may be shown.
    """
    shown: list[Entry] = []
    valid_for = math.inf
    for part in _parts(entries):
        answer = await client.filter_tools(
            server,
            [each.name for each in part],
            kind=kind,
            subject=subject,
            phase=phase,
            digests=[each.digest for each in part],
            evidence=evidence,
            traceparent=traceparent,
        )
        shown += answer.keep(part)
        valid_for = min(valid_for, answer.valid_for)
    return shown, valid_for


def _parts(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """The list in pieces that fit a message; none for an empty one."""
    part: list[Entry] = []
    size = 0
    for each in entries:
        cost = len(each.name.encode()) + _ENTRY_BYTES
        if part and (len(part) >= MAX_ENTRIES or size + cost > MAX_BYTES):
            yield part
            part, size = [], 0
        part.append(each)
        size += cost
    if part:
        yield part
