"""HTTP over TLS on this machine, for fakes of authorization servers.

    authority = TlsAuthority(tmp_path)
    async with listening(authority, answer) as port:
        ...

Its sockets and its TLS are real. One authority signs for every server of a test, so that a
client needs one ``ca_file``.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.fakes import https_issuer


class Request(NamedTuple):
    """What came.

    Attributes:
        method: In upper case.
        path: Without the query.
        headers: By their names in lower case.
        body: All of it.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        """The parameters of an OAuth request, each of them once (RFC 6749, section 3.2).

        Raises:
            ValueError: It is no such request.
        """
        if self.headers.get("content-type") != "application/x-www-form-urlencoded":
            message = "expected a form"
            raise ValueError(message)
        text = self.body.decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True, errors="strict")
        form = dict(pairs)
        if len(form) != len(pairs):
            message = "expected each parameter once"
            raise ValueError(message)
        return form


Handler = Callable[[Request], Awaitable[bytes]]
"""Answers with all bytes of a response; with none, it hangs up."""


class TlsAuthority:
    """Signs certificates of servers; ``ca_file`` has its own."""

    def __init__(self, directory: Path) -> None:
        """Makes a key; ``directory`` is for its files."""
        self.ca_file = directory / "authorities.pem"
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        own = https_issuer._certificate("authority", self._key, "authority", self._key)
        self.ca_file.write_bytes(own.public_bytes(serialization.Encoding.PEM))

    def context(self, name: str = "localhost") -> ssl.SSLContext:
        """What a server with this name listens with."""
        leaf = ec.generate_private_key(ec.SECP256R1())
        certificate = https_issuer._certificate(name, leaf, "authority", self._key)
        form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        chain = self._directory / "authorization-server.pem"
        private = leaf.private_bytes(serialization.Encoding.PEM, form, plain)
        chain.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        chain.unlink()
        return context


@contextlib.asynccontextmanager
async def listening(
    handle: Handler, context: ssl.SSLContext | None, port: int = 0
) -> AsyncIterator[int]:
    """Serves requests, connections are kept alive; where it listens.

    Args:
        handle: Answers.
        context: Of its TLS; ``None``: without.
        port: Where to listen; 0: anywhere.
    """
    tasks: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks[writer] = asyncio.current_task()
        try:
            while answer := await handle(await _read(reader)):
                writer.write(answer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client hung up, or the test is over
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", port, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer, task in tasks.items():
            writer.transport.abort()
            if task is not None:
                task.cancel()
        await asyncio.gather(*filter(None, tasks.values()), return_exceptions=True)


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii")
    first, *lines = head.rstrip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {
        name.lower(): value.strip() for name, _, value in (one.partition(":") for one in lines)
    }
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, target.partition("?")[0], headers, body)
