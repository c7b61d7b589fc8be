"""Token endpoints and metadata, without a network.

Implements ``governd.application.issuer_ports.TokenEndpoint``. A test scripts what is
answered, in order; the last answer is given from then on:

    endpoint = FakeTokenEndpoint(time)
    endpoint.answers(AWAY, answer(503), token("x"))
"""

import json
from collections.abc import Callable

from governd.application.issuer_ports import IssuerAwayError, NoAnswerError, Response
from governd.tokens.form import Form
from tests.fakes.time import FakeTime

AWAY = IssuerAwayError("cannot be asked: ConnectError")
CUT = IssuerAwayError("cannot be asked: ReadError", sent=True)
NOT_FOUND = NoAnswerError("answers 404", 404)

Came = Response | IssuerAwayError


def answer(status: int, retry_after: float | None = None, body: bytes = b"") -> Response:
    """An answer with a status."""
    return Response(status, body, "application/json", retry_after)


def token(text: str = "token-1") -> Response:
    """An answer that gives a token."""
    return answer(200, body=json.dumps({"access_token": text, "token_type": "Bearer"}).encode())


def refusal(error: str = "invalid_grant", status: int = 400) -> Response:
    """An answer that gives none."""
    return answer(status, body=json.dumps({"error": error, "error_description": "x"}).encode())


def described(issuer: str, **changes: object) -> bytes:
    """The metadata of an issuer."""
    return json.dumps({"issuer": issuer, "token_endpoint": f"{issuer}/token", **changes}).encode()


class FakeTokenEndpoint:
    """Answers as a test says.

    Attributes:
        documents: By address; an error is raised, and what is not there is not found.
        posted: Address, form and seconds of each request, in order.
        fetched: The address of each document that was asked for.
        takes: Seconds that each request takes.
        meanwhile: Happens with each request.
    """

    def __init__(self, time: FakeTime) -> None:
        """Gives a token to whoever asks."""
        self.documents: dict[str, bytes | IssuerAwayError] = {}
        self.posted: list[tuple[str, Form, float]] = []
        self.fetched: list[str] = []
        self.takes = 0.0
        self.meanwhile: Callable[[], None] = lambda: None
        self._time = time
        self._answers: list[Came] = [token()]

    def answers(self, *answers: Came) -> None:
        """What is answered from now on."""
        self._answers = list(answers)

    async def post(self, uri: str, form: Form, *, seconds: float) -> Response:
        """The next answer.

        Raises:
            IssuerAwayError: That is it, or it would take longer.
        """
        self.posted.append((uri, form, seconds))
        await self._pass(seconds)
        came = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(came, IssuerAwayError):
            raise came
        return came

    async def get(self, uri: str, *, seconds: float) -> bytes:
        """The document at an address.

        Raises:
            IssuerAwayError: There is none, or it would take longer.
        """
        self.fetched.append(uri)
        await self._pass(seconds)
        found = self.documents.get(uri, NOT_FOUND)
        if isinstance(found, IssuerAwayError):
            raise found
        return found

    async def _pass(self, seconds: float) -> None:
        self.meanwhile()
        if self.takes:
            await self._time.sleep(min(self.takes, seconds))
        if self.takes > seconds:
            message = f"does not answer within {seconds:g} s"
            raise IssuerAwayError(message, sent=True)
