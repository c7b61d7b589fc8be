"""An HTTPS server of an issuer, that does whatever a test asks for.

    async with serving(tmp_path) as issuer:
        issuer.document = idp.key_set()
        issuer.uri  # https://localhost:<port>/keys
        issuer.answers["/token"] = [response(b"", "503 Away"), response(token)]

Its sockets and its TLS are real. ``answers`` takes the place of the document at a path, in
order, the last one again and again; ``answer`` takes the place of both.
"""

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)\r\n", re.IGNORECASE)

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


class HttpsIssuer:
    """A server with one document, and what else a test has it answer.

    Attributes:
        document: The answer's body.
        answers: Whole answers, by path; an empty one hangs up.
        answer: Writes something else; ``None``: those.
        requests: The head of each request, in order.
        bodies: What was posted, in order.
        connections: How many came.
        port: Where it listens.
        handling: What serves each connection, or has.
        ca_file: The authority of its certificate.
    """

    def __init__(self, ca_file: Path) -> None:
        """Answers with an empty document."""
        self.document = b'{"keys": []}'
        self.answers: dict[str, list[bytes]] = {}
        self.answer: Answer | None = None
        self.requests: list[bytes] = []
        self.bodies: list[bytes] = []
        self.connections = 0
        self.port = 0
        self.handling: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}
        self.ca_file = ca_file

    @property
    def uri(self) -> str:
        """Where the document is."""
        return f"{self.base}/keys"

    @property
    def base(self) -> str:
        """What all its addresses begin with."""
        return f"https://localhost:{self.port}"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves one connection."""
        self.connections += 1
        self.handling[writer] = asyncio.current_task()
        try:
            self.requests.append(await reader.readuntil(b"\r\n\r\n"))
            posted = _LENGTH.search(self.requests[-1])
            if posted:
                self.bodies.append(await reader.readexactly(int(posted[1])))
            await (self.answer or self._answer)(writer)
        except (OSError, asyncio.IncompleteReadError):
            return  # the client hung up, or the test is over
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, writer: asyncio.StreamWriter) -> None:
        path = self.requests[-1].split(b" ", 2)[1].decode()
        answers = self.answers.get(path, [response(self.document)])
        writer.write(answers.pop(0) if len(answers) > 1 else answers[0])
        await writer.drain()


def response(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    """An HTTP/1.1 answer; a header's ``_`` stands for ``-``."""
    lines = {"content-length": str(len(body)), "connection": "close"}
    lines.update({name.replace("_", "-"): value for name, value in headers.items()})
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


@contextlib.asynccontextmanager
async def serving(
    directory: Path, *, name: str = "localhost", plain: bool = False, port: int = 0
) -> AsyncIterator[HttpsIssuer]:
    """A server on this machine, with a certificate for a name."""
    issuer = HttpsIssuer(directory / "ca.pem")
    context = None if plain else _context(directory, issuer.ca_file, name)
    server = await asyncio.start_server(issuer.handle, "127.0.0.1", port, ssl=context)
    issuer.port = server.sockets[0].getsockname()[1]
    try:
        yield issuer
    finally:
        server.close()
        for writer in issuer.handling:
            writer.transport.abort()
        tasks = [task for task in issuer.handling.values() if task]
        await asyncio.gather(*tasks, return_exceptions=True)


def _context(directory: Path, ca_file: Path, name: str) -> ssl.SSLContext:
    key, leaf = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = _certificate("ca", key, "ca", key)
    ca_file.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    chain = directory / "server.pem"
    certificate = _certificate(name, leaf, "ca", key)
    private = leaf.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    chain.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    return context


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    signer: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    now, is_authority = datetime.now(UTC), key is signer
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    if not is_authority:
        names: list[x509.GeneralName] = [x509.DNSName(name)]
        if name == "127.0.0.1":
            names = [x509.IPAddress(IPv4Address(name))]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(signer, hashes.SHA256())
