"""What use cases need of the world to ask issuers and authorization servers.

Everything behind these ports goes out over the network under one set of rules
(``adapters.guarded_http``), or to files that hold what governd proves itself with.
"""

import enum
from typing import NamedTuple, Protocol

from governd.errors import GoverndError
from governd.identity.svid import JwtSvid
from governd.tokens.client_key import ClientKey
from governd.tokens.form import Form


class IssuerAwayError(GoverndError):
    """An issuer cannot be asked: it is away, or says something else.

    Attributes:
        sent: Whether the request may have reached it.
    """

    def __init__(self, message: str, *, sent: bool = False) -> None:
        """Takes the reason, without a word of what was sent or answered."""
        super().__init__(message)
        self.sent = sent


class NotAskedError(IssuerAwayError):
    """It may not be asked there, as the configuration stands; nothing was sent."""


class NoAnswerError(IssuerAwayError):
    """What it said is none of the answers that were asked for.

    Attributes:
        status: That of HTTP; 0 where it is something else that does not fit.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        """Takes the reason, without a word of the answer."""
        super().__init__(message, sent=True)
        self.status = status


class LargeAnswerError(NoAnswerError):
    """What it said is larger than what is read."""


class Response(NamedTuple):
    """What a token endpoint answers, whatever its status.

    Attributes:
        status: Of HTTP.
        body: At most 64 KiB.
        content_type: The header; ``""`` where there is none.
        retry_after: Seconds after which it wants to be asked again; ``None`` where it does
            not say.
    """

    status: int
    body: bytes
    content_type: str = ""
    retry_after: float | None = None

    def __repr__(self) -> str:
        """Without the body, which may have a token."""
        return f"Response({self.status})"


class TokenEndpoint(Protocol):
    """Sends one request to an authorization server, and follows nothing that it says."""

    async def post(self, uri: str, form: Form, *, seconds: float) -> Response:
        """What a token endpoint answers to a form (RFC 6749, section 3.2).

        Args:
            uri: Where it is.
            form: What is sent as the body.
            seconds: For all of it.

        Raises:
            NotAskedError: It may not be asked there.
            NoAnswerError: The answer is larger than may be, or encoded.
            IssuerAwayError: There is none, or not in time.
        """

    async def get(self, uri: str, *, seconds: float) -> bytes:
        """The document at an address, at most 256 KiB.

        Raises:
            NotAskedError: It may not be asked there.
            NoAnswerError: The status is not 200, or the document does not fit.
            IssuerAwayError: There is no answer, or not in time.
        """


class ClientKeys(Protocol):
    """Keys of the configuration with which governd proves that it is a client."""

    async def key(self, name: str) -> ClientKey:
        """The key of that name, as its file has it now.

        Raises:
            IdentityError: There is none, or its file may not be used; never says what is
                in the file.
        """


class OwnTokens(Protocol):
    """Tokens of the identity that governd serves with."""

    async def jwt_svid(self, audience: str) -> JwtSvid:
        """One for exactly that audience.

        Raises:
            IdentityError: There is none to be had.
        """


class CallOutcome(enum.Enum):
    """How an attempt to ask a token endpoint ended."""

    ANSWERED = "answered"
    """With a 200."""
    REFUSED = "refused"
    """The server says no."""
    BUSY = "busy"
    """It wants to be asked later."""
    FAILED = "failed"
    """It failed."""
    AWAY = "away"
    """It does not answer, or may not be asked."""
    UNREADABLE = "unreadable"
    """It says something else."""


class MetadataObserver(Protocol):
    """Watches the metadata of authorization servers, for metrics and logs."""

    def described(self, name: str) -> None:
        """A server's metadata came."""

    def not_described(self, name: str, error: str) -> None:
        """It did not come, or does not hold."""


class CallObserver(Protocol):
    """Watches requests to token endpoints, for metrics and logs."""

    def asked(self, name: str, outcome: CallOutcome, seconds: float) -> None:
        """One attempt ended.

        Args:
            name: The authorization server's.
            outcome: How.
            seconds: How long it took.
        """

    def paused(self, name: str) -> None:
        """The server is not asked for a while: it failed too often in a row."""

    def resumed(self, name: str) -> None:
        """It is asked again: it answered."""
