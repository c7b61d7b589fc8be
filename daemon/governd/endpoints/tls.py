"""TLS of a listener: the certificate that governd serves with, and the first gate.

gRPC asks for the certificate at each handshake, so that it, its key and the roots rotate
without a restart and without a call lost: connections that stand go on with what they have.

What TLS itself sees to: a client certificate is demanded, and must lead to one of the
authorities of the listener's trust domains, all of them in one pool, which is all that TLS
knows; the handshake has a deadline; TLS 1.2 at least, 1.3 where the caller can; ALPN "h2".
Whose certificate it is, and whether by the right authority, is decided for each call
(``peer.py``).
"""

import base64
import textwrap
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import grpc

from governd.errors import IdentityError
from governd.identity.secret import Secret
from governd.identity.svid import X509Svid
from governd.identity.verification import Verifier

_JITTER = 1.1
"""gRPC lets a connection live up to a tenth longer than it is told."""
_PEM_COLUMNS = 64


@dataclass(frozen=True, slots=True)
class ServingMaterial:
    """What TLS needs to serve.

    Attributes:
        certificate_chain: PEM, governd's own certificate first. It has the DNS name
            ``governd`` beside its URI SAN, because stock gRPC clients insist on one.
        private_key: PKCS #8 in PEM.
        roots: PEM, the authorities of all trust domains whose workloads may call.
        generation: Another one whenever something of it is another.
    """

    certificate_chain: bytes
    private_key: Secret
    roots: bytes
    generation: Hashable


class ServingIdentity(Protocol):
    """Gives what to serve with."""

    def material(self) -> ServingMaterial:
        """What is in force now. Called from gRPC's threads, and may not wait.

        Raises:
            IdentityError: There is nothing.
        """


class SvidServing:
    """Serves with an X.509-SVID; implements ``ServingIdentity``."""

    def __init__(
        self, current: Callable[[], X509Svid], verifier: Verifier, trust_domains: Sequence[str]
    ) -> None:
        """Makes nothing yet.

        Args:
            current: The SVID in force; called from gRPC's threads, and may not wait.
            verifier: Holds the trust bundles in force.
            trust_domains: Whose workloads may call.
        """
        self._current = current
        self._verifier = verifier
        self._trust_domains = tuple(trust_domains)
        self._made: ServingMaterial | None = None

    def material(self) -> ServingMaterial:
        """What is in force now; the same object as long as nothing changes."""
        svid = self._current()
        generation = (svid.chain, self._verifier.generation)
        made = self._made
        if made is None or made.generation != generation:
            bundles = self._verifier.bundles
            roots = [one for domain in self._trust_domains for one in bundles.get(domain, ())]
            key = Secret(_pem("PRIVATE KEY", svid.key.reveal()))
            made = self._made = ServingMaterial(pem(svid.chain), key, pem(roots), generation)
        return made


class ServerTls:
    """The TLS of one server."""

    def __init__(self, identity: ServingIdentity) -> None:
        """Serves with ``identity``'s certificate, whichever that is at the time."""
        self._identity = identity
        self._generation: Hashable = None

    def credentials(self) -> grpc.ServerCredentials:
        """For one port: gRPC keeps in them which certificate it has.

        Raises:
            IdentityError: There is nothing to serve with.
        """
        first = self._identity.material()
        self._generation = first.generation
        return grpc.dynamic_ssl_server_credentials(
            _configuration(first),
            self._changed,  # type: ignore[arg-type]  # gRPC takes None for "no change"
            require_client_authentication=True,
        )

    def _changed(self) -> grpc.ServerCertificateConfiguration | None:
        """The certificate for the handshake that begins, if it is another than before.

        Where there is none any more gRPC could only be told to go on with the last: whoever
        opened the listener closes it (``peer_doors.py``).
        """
        try:
            material = self._identity.material()
        except IdentityError:
            return None
        if material.generation == self._generation:
            return None
        self._generation = material.generation
        return _configuration(material)


def connection_age_ms(lifetime: timedelta, longest_seconds: float) -> int:
    """How old a connection may become before its caller has to make a new one.

    At most half of an SVID's lifetime: who rotates as SPIFFE implementations do, at half of
    it, then always calls with a certificate that has a good while left, and no call ever
    meets its end. governd's own lifetime stands for all: SVIDs of one trust domain have one
    as a rule, and where one is shorter, its calls are refused at its end all the same.

    Args:
        lifetime: Of the certificate that governd serves with.
        longest_seconds: From the configuration.
    """
    seconds = min(longest_seconds, lifetime.total_seconds() / 2)
    return max(1, int(seconds / _JITTER * 1000))


def pem(certificates: Iterable[bytes]) -> bytes:
    """DER certificates as one PEM text (RFC 7468, section 5)."""
    return b"".join(_pem("CERTIFICATE", one) for one in certificates)


def _pem(label: str, der: bytes) -> bytes:
    lines = textwrap.wrap(base64.b64encode(der).decode(), _PEM_COLUMNS)
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode()


def _configuration(material: ServingMaterial) -> grpc.ServerCertificateConfiguration:
    pair = (material.private_key.reveal(), material.certificate_chain)
    return grpc.ssl_server_certificate_configuration([pair], material.roots)
