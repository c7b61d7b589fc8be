"""The terms on which a client asks: deadline, obligations, trace context.

Shared by the synchronous and the asynchronous client, so that both ask alike.
"""

import math
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

import grpc

from governd_client.channel import CallTerms
from governd_client.errors import DeadlineExceededError, InvalidRequestError

DEFAULT_TIMEOUT_SECONDS: Final = 1.0
_HEADER: Final = "traceparent"
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds where a call does not say otherwise.

    Attributes:
        timeout: Seconds until a question counts as not answered.
        supported_obligations: Types of the obligations the caller performs.
        traceparent: Tells the current W3C trace context, if there is one.
    """

    timeout: float = DEFAULT_TIMEOUT_SECONDS
    supported_obligations: frozenset[str] = frozenset()
    traceparent: Callable[[], str | None] | None = None

    def of_call(self, timeout: float | None, traceparent: str | None) -> CallTerms:
        """The terms of one call: there is always an end to it.

        A trace context that is malformed is left out, as W3C asks.

        Raises:
            InvalidRequestError: ``timeout`` is not a positive, finite number.
        """
        seconds = self.timeout if timeout is None else timeout
        require_end(seconds)
        trace = traceparent or (self.traceparent() if self.traceparent else None)
        if trace is None or not _TRACEPARENT.fullmatch(trace):
            return {"timeout": seconds, "metadata": ()}
        return {"timeout": seconds, "metadata": ((_HEADER, trace),)}

    def supported(self, more: Collection[str]) -> frozenset[str]:
        """The obligations that the caller performs for one call."""
        return self.supported_obligations.union(more)


def require_end(seconds: float) -> None:
    """Refuses a timeout that is none.

    Raises:
        InvalidRequestError: It is not a positive, finite number.
    """
    if not (math.isfinite(seconds) and seconds > 0):
        message = "timeout: expected a positive, finite number of seconds"
        raise InvalidRequestError(message, field="timeout")


def traceparent_of(terms: CallTerms) -> str:
    """The trace context that a call goes out with, ``""`` for none."""
    return next((value for key, value in terms["metadata"] if key == _HEADER), "")


def rest_of(terms: CallTerms, spent: float) -> CallTerms:
    """The terms for asking again, after ``spent`` seconds.

    Raises:
        DeadlineExceededError: No time is left.
    """
    left = terms["timeout"] - spent
    if left <= 0:
        raise late()
    return {**terms, "timeout": left}


def late() -> DeadlineExceededError:
    """The error for a deadline that passed, as gRPC would tell it."""
    message = "the deadline passed without an answer"
    return DeadlineExceededError(message, code=grpc.StatusCode.DEADLINE_EXCEEDED)
