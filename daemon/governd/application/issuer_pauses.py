"""Which authorization servers are left alone, and for how long.

Promises:
    * One that failed so many times in a row is not asked for a while. Then one request tries,
      and the others wait for nobody: they are told when to come back.
    * One that says when it wants to be asked again is not asked before. But on its word alone
      it is left alone for five minutes at most; and for half a minute, where it says that it
      is asked too often (429): that may be about the requests of one agent, and all wait.
    * No server waits for another, and a request that its caller gave up says nothing of one.
"""

import math
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import interlock
from cachetools import LRUCache

from governd.application.issuer_ports import (
    CallObserver,
    IssuerAwayError,
    NoAnswerError,
    NotAskedError,
    Response,
)
from governd.errors import IssuerUnavailableError

Attempt: TypeAlias = Response | IssuerAwayError
"""What came of one. An error is a value here: a breaker keeps what is raised, and with it
what was sent."""

MOST_SECONDS = 300.0
"""A server that says it is unavailable (503) is left alone no longer, whatever it says."""
MOST_BUSY_SECONDS = 30.0
"""Likewise where it says that it is asked too often (429)."""
_MOST_SERVERS = 1024
_TRY_LATER = 429
_UNAVAILABLE = 503
_MOST = {_TRY_LATER: MOST_BUSY_SECONDS, _UNAVAILABLE: MOST_SECONDS}
_SERVER_ERROR = 500
_PROBING_SECONDS = 1.0
_TICK_SECONDS = 0.05
"""Who waited until then may be that early."""


class IssuerPauses:
    """Lets attempts through, or says when to come back."""

    def __init__(
        self, failures: int, seconds: float, observer: CallObserver, clock: Callable[[], float]
    ) -> None:
        """Leaves nobody alone yet.

        Args:
            failures: So many in a row.
            seconds: How long a server is left alone then.
            observer: Told of pauses.
            clock: Monotonic seconds.
        """
        self._config = interlock.Config(
            window_size=failures,
            minimum_number_of_calls=failures,
            failure_rate_threshold=1.0,
            permitted_calls_in_half_open=1,
            wait_duration_in_open=seconds,
            slow_call_duration_threshold=math.inf,
        )
        self._listener = _Listener(observer)
        self._clock = clock
        self._breakers: LRUCache[str, interlock.CircuitBreaker] = LRUCache(_MOST_SERVERS)
        self._until: LRUCache[str, float] = LRUCache(_MOST_SERVERS)

    async def attempt(self, name: str, ask: Callable[[], Awaitable[Attempt]]) -> Attempt:
        """What comes of an attempt, if one may be made.

        Args:
            name: The authorization server's.
            ask: Makes it.

        Raises:
            IssuerUnavailableError: The server is left alone now; says until when.
        """
        left = self._until.get(name, -math.inf) - self._clock()
        if left > _TICK_SECONDS:
            raise unavailable(name, "it wants to be asked later", left)
        try:
            came = await self._breaker(name).call_async(ask)
        except interlock.CircuitOpenError as error:
            left = error.retry_after or _PROBING_SECONDS
        else:
            self._heed(name, came)
            return came
        raise unavailable(name, "it failed too often in a row", left)

    def _heed(self, name: str, came: Attempt) -> None:
        if not isinstance(came, Response) or came.retry_after is None:
            return
        most = _MOST.get(came.status)
        if most is not None:
            self._until[name] = self._clock() + min(came.retry_after, most)

    def _breaker(self, name: str) -> interlock.CircuitBreaker:
        breaker = self._breakers.get(name)
        if breaker is None:
            breaker = self._breakers[name] = interlock.CircuitBreaker(
                name=name,
                config=self._config,
                clock=_Clock(self._clock),
                classifier=_Failed(),
                listener=self._listener,
            )
        return breaker


def unavailable(name: str, why: str, seconds: float) -> IssuerUnavailableError:
    """The error for a server that cannot be asked now.

    Args:
        name: Its name.
        why: In words, without what it sent.
        seconds: After which it may be asked again.
    """
    return IssuerUnavailableError(
        f"authorization server {name}: {why}",
        retry_after=seconds,
        metadata={"authorization_server": name},
    )


def failed(came: object) -> bool:
    """Whether it is the server that failed: it does not answer, or with a 5xx."""
    if isinstance(came, Response):
        return came.status >= _SERVER_ERROR
    return not isinstance(came, NotAskedError | NoAnswerError)


class _Clock:
    """A clock as breakers want it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.monotonic = clock


class _Failed:
    """Tells breakers which attempts failed."""

    def is_failure(self, *, result: object, exception: Exception | None) -> bool:
        """Whether it counts; what raises is a fault of ours."""
        return exception is None and failed(result)


class _Listener:
    """Tells the observer of pauses."""

    def __init__(self, observer: CallObserver) -> None:
        self._observer = observer

    def on_state_change(self, *, name: str, old: interlock.State, new: interlock.State) -> None:
        """Tells of the first failure of several in a row, and of the first answer."""
        if old is interlock.State.CLOSED:
            self._observer.paused(name)
        elif new is interlock.State.CLOSED:
            self._observer.resumed(name)

    def on_call(self, *, name: str, outcome: interlock.Outcome, duration: float) -> None:
        """Nothing: each attempt is told by who makes it."""

    def on_rejected(self, *, name: str) -> None:
        """Nothing: the caller is told."""

    def on_reset(self, *, name: str) -> None:
        """Nothing: nobody resets one."""
