"""Middleware that lets governd decide on the requests an MCP server receives.

Follows the AuthZEN profile COAZ-MCP: ``tools/call`` asks about the tool with its arguments,
``resources/read`` about the resource, ``prompts/get`` about the prompt, the list methods
about the server; ``ping``, the handshake and notifications pass; every other method is
refused. Works alike for MCP 2025-06-18, 2025-11-25 and 2026-07-28, whose requests differ in
their envelope only.

Invariants:
    * The message is parsed once, by the SDK: the arguments asked about are the very object
      that the handler gets, since the context is handed on unchanged.
    * A request reaches the handler only after a permit for it, and where this server registers
      what it offers, only while a registration is in force.
    * A list leaves the server only with what governd shows the one who asked, and for nobody
      else: ``cacheScope`` is private, that of what was read as well.
    * What became of a permitted request is reported: failed where its handler raised or its
      result says so, else succeeded.
    * A refusal carries the decision's id and nothing of the policy, and nothing of an
      error of governd. What lists hide is refused as what does not exist.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, NoReturn

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.types import CacheableResult, ErrorData

from governd_client.acting import acting
from governd_client.aio import AsyncClient
from governd_client.decision import Decision, DecisionCode
from governd_client.errors import GoverndError, InvalidRequestError
from governd_client.filtering import ListPhase
from governd_client.mcp_delegation import receive_mcp
from governd_client.mcp_filter import ListFilter
from governd_client.mcp_lists import FORMS, ListError
from governd_client.mcp_questions import ITEMS, KINDS, question, traceparent_of
from governd_client.mcp_refusals import (
    DENIED,
    INVALID_PARAMS,
    UNDECIDED,
    refuse,
    refuse_denied,
    refuse_undecided,
    refuse_unknown,
)
from governd_client.mcp_registration import ToolRegistration
from governd_client.mcp_sources import Lists, inner_lists
from governd_client.mcp_tools import governed_tool, ignore_parameter_headers, requires
from governd_client.outcomes import Outcome
from governd_client.question import Question
from governd_client.receiving import Acceptance

__all__ = [
    "DENIED",
    "INVALID_PARAMS",
    "UNDECIDED",
    "PolicyMiddleware",
    "ToolRegistration",
    "governed_tool",
    "ignore_parameter_headers",
    "question",
    "requires",
]

_PASS: Final = frozenset({"ping", "initialize", "server/discover"})
_NOTIFICATION: Final = "notifications/"

_LOGGER: Final = logging.getLogger(__name__)
Context = ServerRequestContext[Any, Any]


class PolicyMiddleware:
    """Asks governd about each request before the server handles it.

    Append it to ``middleware`` of a server of the MCP SDK.
    """

    def __init__(
        self,
        client: AsyncClient,
        *,
        server: str,
        caller: Callable[[Context], str | None],
        registration: ToolRegistration | None = None,
        phase: Callable[[Context], ListPhase] = lambda _: ListPhase.CALL,
        show_unpinned: bool = False,
        delegation: Acceptance | None = None,
    ) -> None:
        """Refuses everything that ``client`` does not permit.

        Args:
            client: Asks governd, as the identity of this MCP server; the obligations that
                the server performs are stated on it.
            server: The name under which the policy declares this server.
            caller: Tells the calling agent's SPIFFE ID from the channel, never from the
                message; ``None`` where it has none, which refuses the request.
            registration: Registers what this server offers. Until governd has accepted it,
                every request is refused.
            phase: Tells for which moment of the agent's work a list is.
            show_unpinned: Whether lists show what no digest covers, such as ``title`` and
                ``icons``. A server can change that behind everybody's back.
            delegation: Which acting-as tokens are taken; ``None`` to look at none. Policy sees
                what they show, and ``current_delegation`` of ``governd_client.acting`` tells.

        Raises:
            ValueError: ``server`` cannot be the name of a server.
        """
        if not server or "/" in server:
            message = "server: expected a name without '/'"
            raise ValueError(message)
        self._client = client
        self._server = server
        self._caller = caller
        self._registration = registration
        self._took = delegation
        self._lists = ListFilter(
            client, server, registration=registration, phase=phase, show_unpinned=show_unpinned
        )

    async def __call__(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        """Hands the request on after a permit, else refuses it."""
        if ctx.request_id is None:
            # A call without an id would be a call nobody decided on.
            return await call_next(ctx) if ctx.method.startswith(_NOTIFICATION) else None
        if ctx.method in _PASS:
            return await call_next(ctx)
        asked = question(ctx.method, ctx.params, self._server)
        subject = self._subject(ctx)
        lists = inner_lists(ctx, call_next)
        await self._registered(lists)
        delegation = await receive_mcp(self._client, self._took, ctx, subject)
        shown = delegation.evidence if delegation else None
        asked = replace(asked, subject=subject, evidence=shown)
        decision = await self._require(ctx, asked)
        with acting(delegation):
            result = await self._carry_out(ctx, call_next, decision)
        if ctx.method in FORMS:
            return await self._filter(ctx, result, asked, lists)
        return _private(result) if ctx.method == "resources/read" else result

    def _subject(self, ctx: Context) -> str:
        try:
            subject = self._caller(ctx)
        except Exception as error:
            # Whatever it raises, the SDK would tell the agent; say nothing of it instead.
            _LOGGER.exception("the caller of a request could not be determined")
            refuse_undecided(error)
        if not isinstance(subject, str) or not subject:
            # Without a subject governd would be asked about this server itself.
            refuse_denied()
        return subject

    async def _registered(self, lists: Lists) -> None:
        if self._registration is None:
            return
        try:
            await self._registration.hold(lists)
        except GoverndError as error:
            refuse_undecided(error)

    async def _require(self, ctx: Context, asked: Question) -> Decision:
        try:
            decision = await self._client.evaluate(
                asked.action,
                asked.resource,
                arguments=asked.arguments,
                subject=asked.subject,
                evidence=asked.evidence,
                traceparent=traceparent_of(ctx.params),
            )
        except InvalidRequestError as error:
            if error.field.startswith(("context.", "resource.")):
                refuse(INVALID_PARAMS, "invalid params", cause=error)
            refuse_undecided(error)
        except GoverndError as error:
            refuse_undecided(error)
        if not decision.allowed or self._is_left_out(asked):
            self._deny(asked, decision)
        return decision

    def _deny(self, asked: Question, decision: Decision) -> NoReturn:
        if decision.allowed:
            self._client.report(decision, Outcome.NOT_ATTEMPTED)
        if self._is_left_out(asked) or (asked.action in ITEMS and _is_hidden(decision)):
            refuse_unknown(asked.action, self._name(asked), decision.decision_id)
        refuse_denied(decision.decision_id)

    def _is_left_out(self, asked: Question) -> bool:
        if self._registration is None or asked.action not in KINDS:
            return False
        return self._registration.refuses(KINDS[asked.action], self._name(asked))

    def _name(self, asked: Question) -> str:
        return asked.resource[1].removeprefix(f"{self._server}/")

    async def _carry_out(
        self, ctx: Context, call_next: CallNext, decision: Decision
    ) -> HandlerResult:
        began, outcome = time.monotonic(), Outcome.FAILED
        try:
            result = await call_next(ctx)
            outcome = Outcome.FAILED if _failed(result) else Outcome.SUCCEEDED
            return result
        finally:
            self._client.report(decision, outcome, duration=time.monotonic() - began)

    async def _filter(
        self, ctx: Context, result: HandlerResult, asked: Question, lists: Lists
    ) -> HandlerResult:
        if isinstance(result, ErrorData):
            return result
        try:
            return await self._lists.filter(
                ctx,
                FORMS[ctx.method],
                result,
                subject=asked.subject or "",
                evidence=asked.evidence,
                lists=lists,
                traceparent=traceparent_of(ctx.params),
            )
        except GoverndError as error:
            cause = error.__cause__ if isinstance(error, ListError) else None
            _LOGGER.warning("%s: nothing is shown: %s", ctx.method, error, exc_info=cause)
            refuse_undecided(error)


def _is_hidden(decision: Decision) -> bool:
    return decision.hidden or decision.code is DecisionCode.UNKNOWN_RESOURCE


def _failed(result: object) -> bool:
    """Whether the handler says that the tool failed, as a message or as raw JSON."""
    if isinstance(result, Mapping):
        return result.get("isError") is True
    return getattr(result, "is_error", False) is True


def _private(result: HandlerResult) -> HandlerResult:
    """What was read, for the one who was permitted to read it."""
    if isinstance(result, CacheableResult):
        return result.model_copy(update={"cache_scope": "private"})
    if isinstance(result, dict) and "cacheScope" in result:
        return {**result, "cacheScope": "private"}
    return result
