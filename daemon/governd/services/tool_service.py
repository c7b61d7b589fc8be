"""ToolService: MCP servers register, and whoever shows their lists asks what may be shown."""

import contextlib
import functools
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from governd._proto.governd.v1 import tool_service_pb2, tool_service_pb2_grpc
from governd.application import call
from governd.application.filter_tools import ToolFilter
from governd.application.keep_tools import RegistrationOutcome, ToolKeeper
from governd.errors import GoverndError, StreamsLimitedError
from governd.identity import SpiffeId
from governd.services import listings, tools
from governd.services.context import Context
from governd.services.evidence import EvidenceReader
from governd.services.registrations import RegistrationLimits, RegistrationReader

ENTRIES_PER_CALL = 64
"""Entries of a list that cost as much as one call."""
MAX_REGISTRATIONS = 2
"""At a time of one caller: each may take as much memory as the limits allow."""
_RETRY_SECONDS = 1.0


class RefusalObserver(Protocol):
    """Watches registrations that are refused, for metrics."""

    def refused(self) -> None:
        """A registration was refused."""


@dataclass(frozen=True, slots=True)
class ToolUseCases:
    """What stands behind the service.

    Attributes:
        keeper: Takes registrations.
        tool_filter: Filters lists.
        observer: Told of registrations that are refused.
        evidence: Says in whose name lists are seen.
    """

    keeper: ToolKeeper
    tool_filter: ToolFilter
    observer: RefusalObserver
    evidence: EvidenceReader


class ToolServicer(tool_service_pb2_grpc.ToolServiceServicer):
    """governd.v1.ToolService."""

    def __init__(self, use_cases: ToolUseCases, limits: RegistrationLimits) -> None:
        """Takes the use cases, and the bounds of registrations and lists."""
        self._keeper = use_cases.keeper
        self._filter = use_cases.tool_filter
        self._observer = use_cases.observer
        self._evidence = use_cases.evidence
        self._limits = limits
        self._reading: Counter[SpiffeId] = Counter()

    async def RegisterTools(  # noqa: N802
        self,
        request_iterator: AsyncIterator[tool_service_pb2.RegisterToolsRequest],
        context: Context,
    ) -> tool_service_pb2.RegisterToolsResponse:
        """Takes all that the calling server offers, once it has said everything."""
        this = call.current()
        try:
            with self._place(this.workload.spiffe_id):
                outcome = await self._register(this, request_iterator, context)
        except GoverndError:
            self._observer.refused()
            raise
        return tools.registered(outcome)

    async def FilterTools(  # noqa: N802
        self,
        request: tool_service_pb2.FilterToolsRequest,
        context: Context,  # noqa: ARG002
    ) -> tool_service_pb2.FilterToolsResponse:
        """Says which entries of a list a subject may see."""
        this = call.current()
        caller = this.workload
        question = listings.question(request, caller.spiffe_id, self._limits.definitions)
        this.charge((len(question.entries) - 1) // ENTRIES_PER_CALL)
        if request.HasField("evidence"):
            circumstances = await self._evidence.circumstances(
                request.evidence, question.subject, caller, field="evidence"
            )
            question = replace(question, circumstances=circumstances)
        return listings.answer(await self._filter.filter(this, question))

    async def _register(
        self,
        this: call.Call,
        requests: AsyncIterator[tool_service_pb2.RegisterToolsRequest],
        context: Context,
    ) -> RegistrationOutcome:
        caller = this.workload
        server_of = functools.partial(self._keeper.server_of, caller)
        reader = RegistrationReader(self._limits, this, server_of)
        await reader.read(requests)
        # To gRPC the end of a stream that broke off looks like the end that its sender
        # wanted. Only then something can still be sent on it.
        await context.send_initial_metadata(())
        return await self._keeper.register(caller, reader.server, reader.definitions)

    @contextlib.contextmanager
    def _place(self, caller: SpiffeId) -> Iterator[None]:
        """A place among the caller's registrations, if one is free."""
        reading = self._reading
        if reading[caller] >= MAX_REGISTRATIONS:
            message = f"more than {MAX_REGISTRATIONS} registrations at a time"
            limit = {"limit": str(MAX_REGISTRATIONS)}
            raise StreamsLimitedError(message, retry_after=_RETRY_SECONDS, metadata=limit)
        reading[caller] += 1
        try:
            yield
        finally:
            reading[caller] -= 1
            if not reading[caller]:
                del reading[caller]
