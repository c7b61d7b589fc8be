"""One request to a token endpoint: in time, a few times at most, and never at any price.

Promises:
    * A request has a time for all of its attempts, and for asking where the endpoint is; so
      have all requests of one token (``together``). An attempt is made again only where it
      may help: the server did not answer, failed, or wants a wait that fits into the time.
    * What may count only once is not sent twice: an assertion that governd signed, or an
      ID-JAG (RFC 7523, section 3: ``jti``). Then only an attempt is made again that never
      reached the server.
    * A refusal is final (RFC 6749, section 5.2), and so is what sends elsewhere.
    * Nothing of what a server sent is in an error, but the code of its refusal.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar
from typing import NamedTuple, NoReturn

from tenacity import AsyncRetrying, RetryCallState, retry_if_result

from governd.application.issuer_pauses import Attempt, IssuerPauses, failed, unavailable
from governd.application.issuer_ports import (
    CallObserver,
    CallOutcome,
    IssuerAwayError,
    LargeAnswerError,
    NoAnswerError,
    Response,
    TokenEndpoint,
)
from governd.application.server_metadata import MetadataKeeper
from governd.policy.authorization_servers import AuthorizationServer
from governd.tokens import reply
from governd.tokens.faults import TokenFault, refuse
from governd.tokens.form import Form
from governd.tokens.reply import Reply

_OK, _REDIRECTED, _REFUSED, _TRY_LATER, _SERVER_ERROR = 200, 300, 400, 429, 500
_FIRST_WAIT, _MOST_WAIT = 0.1, 2.0
_RETRY_SECONDS = 1.0
_LEAST_SECONDS = 0.05
"""An attempt with less time is none."""
_FAIR_SHARE = 0.1
"""Of the time. A server that gets less would seem to fail where another one was slow."""
_END: ContextVar[float] = ContextVar("end")
"""When the time of requests that are made together is over; tasks begun there have it, too."""


class CallLimits(NamedTuple):
    """How long and how often is asked.

    Attributes:
        seconds: For a request with all its attempts, and for requests made together.
        retries: Attempts after the first.
    """

    seconds: float = 10.0
    retries: int = 2


class IssuerCalls:
    """Asks token endpoints."""

    def __init__(
        self,
        endpoint: TokenEndpoint,
        metadata: MetadataKeeper,
        pauses: IssuerPauses,
        observer: CallObserver,
        limits: CallLimits,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        spread: Callable[[], float],
    ) -> None:
        """Has asked nobody yet.

        Args:
            endpoint: Sends requests.
            metadata: Knows where token endpoints are.
            pauses: Knows which servers are left alone.
            observer: Told of each attempt.
            limits: How long and how often is asked.
            clock: Monotonic seconds.
            sleep: Waits.
            spread: Between 0 and 1, so that not all who failed at once come back at once.
        """
        self._endpoint = endpoint
        self._metadata = metadata
        self._pauses = pauses
        self._observer = observer
        self._limits = limits
        self._clock = clock
        self._sleep = sleep
        self._spread = spread

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """All that is asked within has the time of one request."""
        before = _END.set(self._end())
        try:
            yield
        finally:
            _END.reset(before)

    async def ask(self, server: AuthorizationServer, form: Form) -> Reply:
        """What a server answers to a form, read and not yet checked.

        Args:
            server: Which is asked; where its token endpoint is may have to be asked first.
            form: What is sent.

        Raises:
            IssuerUnavailableError: It cannot be asked now, or wants to be asked later; has
                ``authorization_server`` in its metadata, and ``retry_after``.
            TokenRefusedError: It refuses (rule ``refused``, with the OAuth ``error``), or
                answers what is none.
        """
        end = self._end()
        uri = await self._where(server, end)
        came = await self._attempts(server, uri, form, end)
        if isinstance(came, IssuerAwayError):
            _without_answer(server, came)
        if came.status != _OK:
            _without_token(server, came)
        return reply.read(came.body, came.content_type)

    def _end(self) -> float:
        """When a request that begins now is over."""
        end = self._clock() + self._limits.seconds
        return min(end, _END.get(end))

    async def _where(self, server: AuthorizationServer, end: float) -> str:
        """Where it is asked; raises where no time is left to ask it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(end - self._clock()):
                uri = await self._metadata.token_endpoint(server)
            if end - self._clock() >= self._limits.seconds * _FAIR_SHARE:
                return uri
        raise unavailable(server.name, "no time is left to ask it", _RETRY_SECONDS)

    async def _attempts(
        self, server: AuthorizationServer, uri: str, form: Form, end: float
    ) -> Attempt:
        once = server.client_authentication == "private_key_jwt" or "assertion" in form.names

        def is_over(state: RetryCallState) -> bool:
            late = self._clock() + state.upcoming_sleep + _LEAST_SECONDS > end
            return late or state.attempt_number > self._limits.retries

        repeating = AsyncRetrying(
            sleep=self._sleep,
            retry=retry_if_result(lambda came: _may_repeat(came, once=once)),
            wait=self._wait,
            stop=is_over,
            retry_error_callback=_last,
        )
        return await repeating(self._attempt, server.name, uri, form, end)

    async def _attempt(self, name: str, uri: str, form: Form, end: float) -> Attempt:
        async def ask() -> Attempt:
            before = self._clock()
            try:
                came: Attempt = await self._endpoint.post(uri, form, seconds=end - before)
            except IssuerAwayError as error:
                came = error
            self._observer.asked(name, _outcome(came), self._clock() - before)
            return came

        return await self._pauses.attempt(name, ask)

    def _wait(self, state: RetryCallState) -> float:
        """Longer each time, apart from others, and as long as the server wants at least."""
        doubled = min(_MOST_WAIT, _FIRST_WAIT * 2.0 ** (state.attempt_number - 1))
        waited = doubled * (0.5 + 0.5 * self._spread())
        return max(waited, _wanted(_last(state)) or 0.0)


def _last(state: RetryCallState) -> Attempt:
    """What came of the last attempt."""
    came: Attempt = state.outcome.result() if state.outcome else IssuerAwayError("nothing")
    return came


def _may_repeat(came: Attempt, *, once: bool) -> bool:
    if isinstance(came, IssuerAwayError):
        return failed(came) and not (once and came.sent)
    return not once and (failed(came) or came.status == _TRY_LATER)


def _wanted(came: Attempt) -> float | None:
    return came.retry_after if isinstance(came, Response) else None


def _outcome(came: Attempt) -> CallOutcome:
    if isinstance(came, IssuerAwayError):
        is_answer = isinstance(came, NoAnswerError)
        return CallOutcome.UNREADABLE if is_answer else CallOutcome.AWAY
    if came.status == _OK:
        return CallOutcome.ANSWERED
    if came.status == _TRY_LATER:
        return CallOutcome.BUSY
    if came.status >= _SERVER_ERROR:
        return CallOutcome.FAILED
    return CallOutcome.REFUSED if came.status >= _REFUSED else CallOutcome.UNREADABLE


def _without_answer(server: AuthorizationServer, error: IssuerAwayError) -> NoReturn:
    """Raises why there is none."""
    if isinstance(error, LargeAnswerError):
        refuse(TokenFault.TOO_LARGE, f"answer: {error}")
    if isinstance(error, NoAnswerError):
        refuse(TokenFault.MALFORMED, f"answer: {error}")
    raise unavailable(server.name, str(error), _RETRY_SECONDS)


def _without_token(server: AuthorizationServer, came: Response) -> NoReturn:
    """Raises what its status says."""
    if came.status == _TRY_LATER or came.status >= _SERVER_ERROR:
        later = max(_RETRY_SECONDS, came.retry_after or 0.0)
        raise unavailable(server.name, f"answers {came.status}", later)
    if came.status >= _REFUSED:
        reply.refused(reply.read_refusal(came.status, came.body))
    if came.status >= _REDIRECTED:
        refuse(TokenFault.REDIRECTED, "answer: sends elsewhere")
    refuse(TokenFault.MALFORMED, f"answer: expected the status {_OK}, not {came.status}")
