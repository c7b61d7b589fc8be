"""The SPIFFE ID of a peer of gRPC or ASGI, from its X.509-SVID, read strictly.

gRPC's own ``peer_spiffe_id`` property is not used: it ends at a NUL, accepts any path and
outlives the certificate. The certificate is read again here (X509-SVID standard, sections
2 to 5): exactly one URI SAN, a SPIFFE ID in canonical form with a path, no CA, within its
validity at the time of the call.

Left to the server's TLS configuration: the signature. Its root certificates must be those
of one trust domain, since gRPC knows one pool of roots for all.

Needs the package ``cryptography``.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from cryptography import x509

from governd_client.certificates import PeerContext, asgi_leaf
from governd_client.errors import CallerUnknownError

_MAX_BYTES: Final = 2048
_SPIFFE_ID: Final = re.compile(
    r"spiffe://[a-z0-9._-]{1,255}(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._-]+)+", re.ASCII
)


def peer_spiffe_id(context: PeerContext) -> str:
    """Who calls, by the certificate of the connection.

    Raises:
        CallerUnknownError: The peer has no certificate, or not an X.509-SVID.
    """
    certificates = list(context.auth_context().get("x509_pem_cert", ()))
    if len(certificates) != 1:
        message = "the peer has no certificate"
        raise CallerUnknownError(message)
    return spiffe_id_of(certificates[0], datetime.now(UTC))


def asgi_peer_spiffe_id(scope: Mapping[str, Any]) -> str:
    """Who sent a request to an ASGI server, by the certificate of the connection.

    Raises:
        CallerUnknownError: The peer has no certificate, or not an X.509-SVID, or the server
            does not tell (ASGI's extension ``tls``).
    """
    pem = asgi_leaf(scope)
    if pem is None:
        message = "the peer has no certificate"
        raise CallerUnknownError(message)
    return spiffe_id_of(pem.encode(), datetime.now(UTC))


def spiffe_id_of(pem: bytes, now: datetime) -> str:
    """The SPIFFE ID of a leaf certificate.

    Raises:
        CallerUnknownError: The certificate is no X.509-SVID that is valid at ``now``.
    """
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        extensions = certificate.extensions
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        is_ca = any(
            each.value.ca for each in extensions if isinstance(each.value, x509.BasicConstraints)
        )
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension) as error:
        message = "the peer's certificate cannot be read"
        raise CallerUnknownError(message) from error
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    if is_ca or len(uris) != 1 or not _is_spiffe_id(uris[0]):
        message = "the peer's certificate is no X.509-SVID"
        raise CallerUnknownError(message)
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        message = "the peer's certificate is not valid now"
        raise CallerUnknownError(message)
    return uris[0]


def _is_spiffe_id(text: str) -> bool:
    return len(text.encode()) <= _MAX_BYTES and _SPIFFE_ID.fullmatch(text) is not None
