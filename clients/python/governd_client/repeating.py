"""Which calls are made again by themselves, and when. Does no IO.

gRPC makes a call again at once, a few times, and is through with that within a second. A
governd that cannot answer for longer says when to come back (``google.rpc.RetryInfo``), for
example while it has not heard yet from whoever issues identities who calls. So a call goes on
from there: it comes back when it was told to, as long as its deadline allows that.

Only what is safe to repeat is repeated, and only UNAVAILABLE: whatever else governd says is
its answer.
"""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import grpc

from governd_client.channel import CallTerms
from governd_client.errors import GoverndError
from governd_client.terms import late

A = TypeVar("A")

FIRST_PAUSE_SECONDS: Final = 0.05
LONGEST_PAUSE_SECONDS: Final = 1.0
_POLICY: Final = "governd.v1.PolicyService"
SAFE: Final[tuple[dict[str, str], ...]] = (
    {"service": _POLICY, "method": "Evaluate"},
    {"service": _POLICY, "method": "EvaluateBatch"},
    {"service": "governd.v1.AgentService"},
    {"service": "governd.v1.IdentityService"},
    {"service": "governd.v1.TokenService"},
    {"service": "governd.v1.ToolService", "method": "FilterTools"},
)
"""Calls that may be made twice, as a service config of gRPC names them."""


def is_safe(path: str) -> bool:
    """Whether a call may be made twice.

    Args:
        path: As on the wire, ``/<service>/<method>``.
    """
    service, _, method = path.removeprefix("/").partition("/")
    return any(each["service"] == service and each.get("method", method) == method for each in SAFE)


class Repeats:
    """One call, over as many attempts as its deadline allows."""

    def __init__(self, terms: CallTerms, clock: Callable[[], float]) -> None:
        """Begins.

        Args:
            terms: Those of the call as a whole.
            clock: Monotonic seconds.
        """
        self._terms = terms
        self._clock = clock
        self._end = clock() + terms["timeout"]
        self._least = FIRST_PAUSE_SECONDS
        self._error: GoverndError | None = None

    @property
    def terms(self) -> CallTerms:
        """Those of the next attempt, which has what is left of the time.

        Raises:
            GoverndError: Nothing is left; it says why the last attempt failed.
        """
        left = self._end - self._clock()
        if left <= 0:
            raise self._error or late()
        return {**self._terms, "timeout": left}

    def failed(self, error: GoverndError) -> float:
        """The seconds after which to try again.

        Raises:
            GoverndError: ``error`` itself, where that is no help or would be too late.
        """
        if error.code is not grpc.StatusCode.UNAVAILABLE or error.retry_after is None:
            raise error
        # A governd that says next to nothing is not asked in a loop.
        pause = max(self._least, error.retry_after)
        if self._end - self._clock() <= pause:
            raise error
        self._least = min(self._least * 2, LONGEST_PAUSE_SECONDS)
        self._error = error
        return pause


def repeat(
    attempt: Callable[[CallTerms], A],
    terms: CallTerms,
    clock: Callable[[], float],
    pause: Callable[[float], object],
) -> A:
    """Makes a call, as often as governd says that it is worth it.

    Args:
        attempt: Makes it once.
        terms: Those of the call as a whole.
        clock: Monotonic seconds.
        pause: Waits so many seconds.

    Raises:
        GoverndError: It failed.
    """
    repeats = Repeats(terms, clock)
    while True:
        try:
            return attempt(repeats.terms)
        except GoverndError as error:
            seconds = repeats.failed(error)
        pause(seconds)


async def repeat_async(
    attempt: Callable[[CallTerms], Awaitable[A]],
    terms: CallTerms,
    clock: Callable[[], float],
    pause: Callable[[float], Awaitable[object]],
) -> A:
    """What ``repeat`` does, in a task; who cancels that makes no further attempt.

    Raises:
        GoverndError: It failed.
    """
    repeats = Repeats(terms, clock)
    while True:
        try:
            return await attempt(repeats.terms)
        except GoverndError as error:
            seconds = repeats.failed(error)
        await pause(seconds)
