"""Middleware that lets governd decide on the requests an MCP server receives.

Follows the AuthZEN profile COAZ-MCP: ``tools/call`` asks about the tool with its arguments,
``resources/read`` about the resource, ``prompts/get`` about the prompt, the list methods
about the server; ``ping``, the handshake and notifications pass; every other method is
refused. Works alike for MCP 2025-06-18, 2025-11-25 and 2026-07-28, whose requests differ in
their envelope only.

Invariants:
    * The message is parsed once, by the SDK: the arguments asked about are the very object
      that the handler gets, since the context is handed on unchanged.
    * A request reaches the handler only after a permit for it.
    * What became of a permitted request is reported: failed where its handler raised or its
      result says so, else succeeded.
    * A refusal carries the decision's id and nothing of the policy, and nothing of an
      error of governd.
"""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.shared.exceptions import MCPError

from governd_client.aio import AsyncClient
from governd_client.decision import Decision
from governd_client.errors import GoverndError, InvalidRequestError
from governd_client.outcomes import Outcome
from governd_client.question import Question, Resource

DENIED: Final = -32001
"""JSON-RPC code of a denial (COAZ-MCP)."""
UNDECIDED: Final = -32603
"""JSON-RPC code where governd could not be asked."""
INVALID_PARAMS: Final = -32602
"""JSON-RPC code of parameters that nothing can be asked about."""

_PASS: Final = frozenset({"ping", "initialize", "server/discover"})
_LISTS: Final = frozenset(
    {"tools/list", "resources/list", "resources/templates/list", "prompts/list"}
)
_ITEMS: Final = {
    "tools/call": ("tool", "name"),
    "resources/read": ("resource", "uri"),
    "prompts/get": ("prompt", "name"),
}
_NOTIFICATION: Final = "notifications/"

_LOGGER: Final = logging.getLogger(__name__)
Context = ServerRequestContext[Any, Any]


class PolicyMiddleware:
    """Asks governd about each request before the server handles it.

    Append it to ``Server.middleware`` of the MCP SDK.
    """

    def __init__(
        self,
        client: AsyncClient,
        *,
        server: str,
        caller: Callable[[Context], str | None],
    ) -> None:
        """Refuses everything that ``client`` does not permit.

        Args:
            client: Asks governd, as the identity of this MCP server; the obligations that
                the server performs are stated on it.
            server: The name under which the policy declares this server.
            caller: Tells the calling agent's SPIFFE ID from the channel, never from the
                message; ``None`` where it has none, which refuses the request.

        Raises:
            ValueError: ``server`` cannot be the name of a server.
        """
        if not server or "/" in server:
            message = "server: expected a name without '/'"
            raise ValueError(message)
        self._client = client
        self._server = server
        self._caller = caller

    async def __call__(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        """Hands the request on after a permit, else refuses it."""
        if ctx.request_id is None:
            # A call without an id would be a call nobody decided on.
            return await call_next(ctx) if ctx.method.startswith(_NOTIFICATION) else None
        if ctx.method in _PASS:
            return await call_next(ctx)
        decision = await self._require(ctx, question(ctx.method, ctx.params, self._server))
        began, outcome = time.monotonic(), Outcome.FAILED
        try:
            result = await call_next(ctx)
            outcome = Outcome.FAILED if _failed(result) else Outcome.SUCCEEDED
            return result
        finally:
            self._client.report(decision, outcome, duration=time.monotonic() - began)

    async def _require(self, ctx: Context, asked: Question) -> Decision:
        try:
            subject = self._caller(ctx)
        except Exception as error:
            # Whatever it raises, the SDK would tell the agent; say nothing of it instead.
            _LOGGER.exception("the caller of a request could not be determined")
            _refuse(UNDECIDED, "no policy decision could be obtained", cause=error)
        if not isinstance(subject, str) or not subject:
            # Without a subject governd would be asked about this server itself.
            _refuse(DENIED, "denied by policy")
        try:
            decision = await self._client.evaluate(
                asked.action,
                asked.resource,
                arguments=asked.arguments,
                subject=subject,
                traceparent=_traceparent(ctx.params),
            )
        except InvalidRequestError as error:
            if error.field.startswith(("context.", "resource.")):
                _refuse(INVALID_PARAMS, "invalid params", cause=error)
            _refuse(UNDECIDED, "no policy decision could be obtained", cause=error)
        except GoverndError as error:
            _refuse(UNDECIDED, "no policy decision could be obtained", cause=error)
        if not decision.allowed:
            _refuse(DENIED, "denied by policy", {"decision_id": decision.decision_id})
        return decision


def question(method: str, params: Mapping[str, Any] | None, server: str) -> Question:
    """What to ask about a request.

    Raises:
        MCPError: The method is none that may be asked about, or its parameters do not say
            what it is about.
    """
    if method in _LISTS:
        return Question(method, Resource("mcp_server", server))
    if method not in _ITEMS:
        _refuse(DENIED, "denied by policy")
    kind, key = _ITEMS[method]
    given = params if params is not None else {}
    name = given.get(key)
    arguments = given.get("arguments") if method == "tools/call" else None
    if not isinstance(name, str) or not name or not isinstance(arguments, dict | None):
        _refuse(INVALID_PARAMS, "invalid params")
    return Question(method, Resource(kind, f"{server}/{name}"), arguments)


def _failed(result: object) -> bool:
    """Whether the handler says that the tool failed, as a message or as raw JSON."""
    if isinstance(result, Mapping):
        return result.get("isError") is True
    return getattr(result, "is_error", False) is True


def _traceparent(params: Mapping[str, Any] | None) -> str | None:
    """The trace context that MCP carries in ``_meta`` (SEP-414)."""
    meta = params.get("_meta") if params is not None else None
    value = meta.get("traceparent") if isinstance(meta, dict) else None
    return value if isinstance(value, str) else None


def _refuse(
    code: int,
    message: str,
    data: Mapping[str, str] | None = None,
    *,
    cause: Exception | None = None,
) -> NoReturn:
    raise MCPError(code, message, dict(data) if data is not None else None) from cause
