"""The certificate that a peer showed, as ``cnf`` of an acting-as token names it (RFC 8705).

It is read for its name only: who the peer is, is said by ``governd_client.peer`` or by what
the application configures, and whether the certificate holds, by the server's TLS.
"""

import base64
import hashlib
import ssl
from collections.abc import Mapping
from typing import Any, Protocol


class PeerContext(Protocol):
    """The part of a servicer context, synchronous or not, that is needed."""

    def auth_context(self) -> Mapping[str, Any]:
        """What gRPC knows of the peer: several values of bytes each."""


def thumbprint_of(pem: str) -> str:
    """``x5t#S256`` of a certificate in PEM; ``""`` where it is none."""
    try:
        der = ssl.PEM_cert_to_DER_cert(pem)
    except ValueError:
        return ""
    return base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode()


def grpc_certificate(context: PeerContext) -> str:
    """``x5t#S256`` of the certificate with which a call of gRPC came; ``""`` for none."""
    found = list(context.auth_context().get("x509_pem_cert", ()))
    return thumbprint_of(found[0].decode("latin-1")) if len(found) == 1 else ""


def asgi_certificate(scope: Mapping[str, Any]) -> str:
    """``x5t#S256`` of the certificate with which a request came to ASGI; ``""`` for none."""
    pem = asgi_leaf(scope)
    return thumbprint_of(pem) if pem is not None else ""


def asgi_leaf(scope: Mapping[str, Any]) -> str | None:
    """The peer's own certificate, in PEM; ``None`` for none, or one that does not hold.

    Servers tell it by ASGI's extension ``tls``. Those without it, such as uvicorn, tell none.
    """
    tls = (scope.get("extensions") or {}).get("tls") or {}
    chain = list(tls.get("client_cert_chain") or ())
    return str(chain[0]) if chain and not tls.get("client_cert_error") else None
