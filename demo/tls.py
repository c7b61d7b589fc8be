"""A throw-away authority, and servers of HTTPS that it certifies."""

import signal
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import socket
from typing import Any

import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

_HOST = "localhost"


class Tls:
    """Certificates for this machine.

    Attributes:
        authorities: Whom to trust, a PEM file.
    """

    def __init__(self, directory: Path) -> None:
        """Makes an authority and one certificate; the authority's key is forgotten at once."""
        directory.mkdir(mode=0o700)
        self.authorities = directory / "authorities.pem"
        self._certificate, self._key = directory / "server.pem", directory / "server.key"
        authority, key = ec.generate_private_key(ec.SECP256R1()), _new_key(self._key)
        self.authorities.write_bytes(_certificate("the demo's authority", authority, authority))
        self._certificate.write_bytes(_certificate(_HOST, key, authority))

    def context(self) -> ssl.SSLContext:
        """For a client that trusts the authority and no other."""
        return ssl.create_default_context(cafile=self.authorities)

    @contextmanager
    def serving(self, app: Any, listening: socket) -> Iterator[None]:  # noqa: ANN401 - of ASGI
        """Serves an application in a thread of its own."""
        config = uvicorn.Config(
            app,
            log_level="warning",
            ws="none",
            ssl_certfile=self._certificate,
            ssl_keyfile=self._key,
        )
        server = uvicorn.Server(config)

        def run() -> None:
            # Signals are for the main thread, which may wait for one.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
            server.run(sockets=[listening])

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            server.should_exit = True
            thread.join()


def _new_key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.touch(0o600)
    path.write_bytes(pem)
    return key


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, authority: ec.EllipticCurvePrivateKey
) -> bytes:
    """A certificate for a day: the authority's own, or of a server that is called so."""
    today, is_authority = datetime.now(UTC), key is authority
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "the demo's authority")]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - timedelta(hours=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()),
            critical=False,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if not is_authority:
        names = x509.SubjectAlternativeName([x509.DNSName(name)])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(authority, hashes.SHA256()).public_bytes(Encoding.PEM)
