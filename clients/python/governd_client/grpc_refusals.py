"""How calls of a gRPC server are refused: with nothing of the policy, nor of why."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import grpc

from governd_client.decision import Decision
from governd_client.errors import GoverndError, TokenRejectedError
from governd_client.receiving import TAKEN

DECISION_ID: Final = "governd-decision-id"
"""Trailer with the id of the decision that refused the call."""
_LOGGER: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class Refusal(grpc.Status):
    """The status of a refused call."""

    code: grpc.StatusCode
    details: str
    trailing_metadata: tuple[tuple[str, str], ...] = ()


NOT_ASKED: Final = Refusal(grpc.StatusCode.PERMISSION_DENIED, "denied by policy")
UNKNOWN_CALLER: Final = Refusal(grpc.StatusCode.UNAUTHENTICATED, "the caller has no SPIFFE ID")
_NOT_TAKEN: Final = Refusal(grpc.StatusCode.UNAUTHENTICATED, TAKEN)
_UNDECIDED: Final = Refusal(grpc.StatusCode.UNAVAILABLE, "no policy decision could be obtained")


class RefusedError(Exception):
    """A call is refused.

    Attributes:
        status: What the caller gets.
    """

    def __init__(self, status: Refusal) -> None:
        """Keeps the status."""
        super().__init__(status.details)
        self.status = status


@contextmanager
def refusing() -> Iterator[None]:
    """What stands in the way of a call, as its refusal.

    Raises:
        RefusedError: Something does.
    """
    try:
        yield
    except TokenRejectedError as error:
        _LOGGER.warning("a call is refused: %s: %s", error.rejection, error)
        raise RefusedError(_NOT_TAKEN) from error
    except GoverndError as error:
        raise RefusedError(_UNDECIDED) from error


def require(decision: Decision) -> None:
    """Refuses what is not permitted.

    Raises:
        RefusedError: It is not.
    """
    if not decision.allowed:
        trailer = ((DECISION_ID, decision.decision_id),)
        raise RefusedError(Refusal(grpc.StatusCode.PERMISSION_DENIED, NOT_ASKED.details, trailer))
