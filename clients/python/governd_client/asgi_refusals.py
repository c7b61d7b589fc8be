"""How an ASGI server refuses a request: with nothing of the policy, nor of why."""

import json
import logging
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from governd_client.decision import Decision
from governd_client.errors import CallerUnknownError, GoverndError, TokenRejectedError
from governd_client.receiving import TAKEN

Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_LOGGER: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Refusal:
    """The answer to a refused request.

    Attributes:
        status: Of HTTP.
        error: For programs; the same for all causes that the caller must not tell apart.
        message: For people.
        decision_id: Of the decision that refused it; ``""`` for none.
    """

    status: int
    error: str
    message: str
    decision_id: str = ""

    async def send(self, send: Send) -> None:
        """Answers with it, as JSON."""
        told = {"error": self.error, "message": self.message, "decision_id": self.decision_id}
        body = json.dumps({name: one for name, one in told.items() if one}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
        ]
        if self.status == _UNAUTHORIZED:
            headers.append((b"www-authenticate", b"Acting-As"))  # RFC 9110, section 15.5.2
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


_UNAUTHORIZED: Final = 401
DENIED: Final = Refusal(403, "denied", "denied by policy")
TOO_LARGE: Final = Refusal(413, "body_too_large", "the body is larger than this server takes")
_UNKNOWN_CALLER: Final = Refusal(_UNAUTHORIZED, "caller_unknown", "the caller has no SPIFFE ID")
_NOT_TAKEN: Final = Refusal(_UNAUTHORIZED, "token_not_taken", TAKEN)
_UNDECIDED: Final = Refusal(503, "undecided", "no policy decision could be obtained")


class RefusedError(Exception):
    """A request is refused.

    Attributes:
        refusal: What the caller gets.
    """

    def __init__(self, refusal: Refusal) -> None:
        """Keeps the answer."""
        super().__init__(refusal.message)
        self.refusal = refusal


@contextmanager
def refusing() -> Iterator[None]:
    """What stands in the way of a request, as its refusal.

    Raises:
        RefusedError: Something does.
    """
    try:
        yield
    except CallerUnknownError as error:
        raise RefusedError(_UNKNOWN_CALLER) from error
    except TokenRejectedError as error:
        _LOGGER.warning("a request is refused: %s: %s", error.rejection, error)
        raise RefusedError(_NOT_TAKEN) from error
    except GoverndError as error:
        raise RefusedError(_UNDECIDED) from error


def require(decision: Decision) -> None:
    """Refuses what is not permitted.

    Raises:
        RefusedError: It is not.
    """
    if not decision.allowed:
        raise RefusedError(
            Refusal(DENIED.status, DENIED.error, DENIED.message, decision.decision_id)
        )
