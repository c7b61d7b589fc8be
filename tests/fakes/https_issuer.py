"""An HTTPS server where an issuer's keys are, that does whatever a test asks for.

    async with serving(tmp_path) as issuer:
        issuer.document = idp.key_set()
        issuer.uri  # https://localhost:<port>/keys

Its sockets and its TLS are real. ``answer`` takes the place of the answer.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


class HttpsIssuer:
    """A server with one document.

    Attributes:
        document: The answer's body.
        answer: Writes something else; ``None``: the document.
        requests: The head of each request, in order.
        connections: How many came.
        port: Where it listens.
        handling: What serves each connection, or has.
        ca_file: The authority of its certificate.
    """

    def __init__(self, ca_file: Path) -> None:
        """Answers with an empty document."""
        self.document = b'{"keys": []}'
        self.answer: Answer | None = None
        self.requests: list[bytes] = []
        self.connections = 0
        self.port = 0
        self.handling: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}
        self.ca_file = ca_file

    @property
    def uri(self) -> str:
        """Where the document is."""
        return f"https://localhost:{self.port}/keys"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves one connection."""
        self.connections += 1
        self.handling[writer] = asyncio.current_task()
        try:
            self.requests.append(await reader.readuntil(b"\r\n\r\n"))
            await (self.answer or self._document)(writer)
        except (OSError, asyncio.IncompleteReadError):
            return  # the client hung up, or the test is over
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _document(self, writer: asyncio.StreamWriter) -> None:
        writer.write(response(self.document))
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
