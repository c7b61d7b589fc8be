"""A certificate authority in memory, for development.

Plays the part that SPIRE has in production: it issues governd's serving identity and its
signing identity as X.509-SVIDs (https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md,
sections 2 to 4). The root lives as long as the process, so nobody outside can have pinned
it, and a configuration with ``production = true`` does without it.

Invariants:
    * No private key leaves memory or shows in a ``repr``.
    * A leaf has exactly one URI SAN and is no CA; the root's URI SAN is the trust domain.
    * ``current`` never returns an identity past half of its lifetime.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from governd.adapters import x509_svid
from governd.errors import RequestError
from governd.identity import SpiffeId, x509_material
from governd.identity.svid import X509Svid

LEAF_LIFETIME = timedelta(minutes=15)
_COORDINATE_BYTES = 32  # of P-256


@dataclass(frozen=True, slots=True)
class EmbeddedSigner:
    """One issued identity; implements ``governd.identity.ports.Signer``.

    Attributes:
        spiffe_id: The URI SAN of the leaf.
        certificate_chain: The leaf alone: the root signed it.
        trust_bundle: The root.
        not_before: When the leaf begins to count.
        not_after: When it ends.
    """

    spiffe_id: SpiffeId
    certificate_chain: tuple[bytes, ...]
    trust_bundle: tuple[bytes, ...]
    not_before: datetime
    not_after: datetime
    _key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def algorithm(self) -> str:
        """``ES256``: ECDSA with P-256 and SHA-256."""
        return "ES256"

    def sign(self, message: bytes) -> bytes:
        """Signs ``message``; returns R and S, 32 bytes each."""
        der = self._key.sign(message, ec.ECDSA(hashes.SHA256()))
        return b"".join(part.to_bytes(_COORDINATE_BYTES) for part in decode_dss_signature(der))

    def private_key_pem(self) -> bytes:
        """The key in PKCS #8, for the TLS library alone: it takes nothing else."""
        return self._private_key(serialization.Encoding.PEM)

    def svid(self) -> X509Svid:
        """The identity with its key, for the workload that it is issued to."""
        key = self._private_key(serialization.Encoding.DER)
        return x509_material.x509_svid(self.spiffe_id, self.certificate_chain, key)

    def _private_key(self, encoding: serialization.Encoding) -> bytes:
        return self._key.private_bytes(
            encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


class EmbeddedAuthority:
    """The root of one trust domain."""

    def __init__(self, trust_domain: str, now: datetime) -> None:
        """Makes a fresh root that counts from ``now``.

        Raises:
            RequestError: ``trust_domain`` is none.
        """
        self._id = SpiffeId.parse(f"spiffe://{trust_domain}", field="trust_domain")
        if self._id.path:
            message = "trust_domain: expected a trust domain without a path"
            raise RequestError(message, field="trust_domain")
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._root = x509_svid.root(self._id, self._key, now)

    def __repr__(self) -> str:
        """Names the trust domain, never the key."""
        return f"EmbeddedAuthority({self._id.trust_domain!r})"

    @property
    def trust_domain(self) -> str:
        """The trust domain of every identity issued here."""
        return self._id.trust_domain

    @property
    def trust_bundle(self) -> tuple[bytes, ...]:
        """The root, DER."""
        return (self._root.public_bytes(serialization.Encoding.DER),)

    def issue(
        self,
        path: str,
        now: datetime,
        *,
        dns_name: str = "",
        lifetime: timedelta = LEAF_LIFETIME,
    ) -> EmbeddedSigner:
        """Issues a leaf with a fresh key.

        Args:
            path: Of the SPIFFE ID, with its leading slash.
            now: When it begins to count.
            dns_name: A DNS SAN beside the URI SAN; ``""`` for none.
            lifetime: How long it counts.

        Raises:
            RequestError: ``path`` makes no SPIFFE ID.
        """
        spiffe_id = SpiffeId.parse(f"{self._id}{path}")
        if not spiffe_id.path:
            message = "path: expected that of a workload, not the trust domain itself"
            raise RequestError(message, field="path")
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509_svid.Subject(spiffe_id, key.public_key(), dns_name)
        template = x509_svid.leaf(subject, self._root, now, now + lifetime)
        certificate = template.sign(self._key, hashes.SHA256())
        return EmbeddedSigner(
            spiffe_id=spiffe_id,
            certificate_chain=(certificate.public_bytes(serialization.Encoding.DER),),
            trust_bundle=self.trust_bundle,
            not_before=now,
            not_after=certificate.not_valid_after_utc,
            _key=key,
        )


class EmbeddedIdentity:
    """An identity that renews itself at half of its lifetime."""

    def __init__(
        self,
        authority: EmbeddedAuthority,
        path: str,
        *,
        dns_name: str = "",
        lifetime: timedelta = LEAF_LIFETIME,
    ) -> None:
        """Issues nothing yet: the first ``current`` does."""
        self._authority = authority
        self._path = path
        self._dns_name = dns_name
        self._lifetime = lifetime
        self._signer: EmbeddedSigner | None = None

    @classmethod
    def serving(cls, authority: EmbeddedAuthority, node: str) -> Self:
        """The identity that governd serves with, ``/governd/server/<node>``.

        It has a DNS SAN as well, because stock gRPC clients insist on one.
        """
        return cls(authority, f"/governd/server/{node}", dns_name="governd")

    @classmethod
    def signing(cls, authority: EmbeddedAuthority, node: str) -> Self:
        """The identity that governd signs with, ``/governd/signer/<node>``."""
        return cls(authority, f"/governd/signer/{node}")

    def current(self, now: datetime) -> EmbeddedSigner:
        """The signer to use at ``now``; a new one past half of the lifetime."""
        held = self._signer
        if held is None or not held.not_before <= now <= held.not_before + self._lifetime / 2:
            held = self._authority.issue(
                self._path, now, dns_name=self._dns_name, lifetime=self._lifetime
            )
            self._signer = held
        return held
