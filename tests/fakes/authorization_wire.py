"""Between a governd and fake authorization servers, without a socket.

    wire = Wire(corp, idp)
    wire.away.add(corp.issuer)

Implements ``governd.application.issuer_ports.TokenEndpoint``: requests reach the servers as
they would over HTTP, and so do their answers.
"""

from governd.application.issuer_ports import CallOutcome, IssuerAwayError, NoAnswerError, Response
from governd.tokens.form import CONTENT_TYPE, Form
from tests.fakes.authorization_server import AuthorizationServer
from tests.fakes.authorization_server_http import Request


class Wire:
    """Reaches servers by the addresses of their issuers.

    Attributes:
        away: Issuers that do not answer.
    """

    def __init__(self, *servers: AuthorizationServer) -> None:
        """All of them answer."""
        self.away: set[str] = set()
        self._servers = servers

    async def post(self, uri: str, form: Form, *, seconds: float) -> Response:
        """What a token endpoint answers.

        Raises:
            IssuerAwayError: The server is away.
        """
        headers = {"content-type": CONTENT_TYPE}
        status, said, body = await self._send("POST", uri, headers, form.encode().reveal())
        later = said.get("retry-after")
        return Response(status, body, said.get("content-type", ""), float(later) if later else None)

    async def get(self, uri: str, *, seconds: float) -> bytes:
        """The document at an address.

        Raises:
            IssuerAwayError: The server is away, or has none.
        """
        status, _, body = await self._send("GET", uri, {}, b"")
        if status != 200:
            message = f"answers {status}"
            raise NoAnswerError(message, status)
        return body

    async def _send(
        self, method: str, uri: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        origin, path = "/".join(uri.split("/", 3)[:3]), "/" + uri.split("/", 3)[3]
        server = next(one for one in self._servers if one.issuer.startswith(origin))
        if server.issuer in self.away:
            message = "cannot be asked: ConnectError"
            raise IssuerAwayError(message)
        answer = await server.handle(Request(method, path, headers, body))
        head, _, content = answer.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        said = dict(one.lower().split(": ", 1) for one in lines)
        return int(first.split()[1]), said, content


class Unheard:
    """Implements ``CallObserver``, ``MetadataObserver`` and ``EvidenceObserver``."""

    def asked(self, name: str, outcome: CallOutcome, seconds: float) -> None:
        """Takes note of nothing."""

    def paused(self, name: str) -> None:
        """Likewise."""

    def resumed(self, name: str) -> None:
        """Likewise."""

    def described(self, name: str) -> None:
        """Likewise."""

    def not_described(self, name: str, error: str) -> None:
        """Likewise."""

    def verified(self, kind: object) -> None:
        """Likewise."""

    def refused(self, kind: object, fault: object) -> None:
        """Likewise."""
