"""A certificate authority that signs whatever a test asks for, the bad above all.

    authority = Authority("example.org")
    good = authority.issue("spiffe://example.org/agent/writer")
    expired = authority.issue("spiffe://example.org/agent/writer", lifetime=-HOUR)
    verify_svid(good.chain, {"example.org": authority.bundle}, NOON)

Every certificate is what an X.509-SVID should be but for what the test changes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import (
    CertificateIssuerPrivateKeyTypes as Key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from governd.identity.verification import Presented

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH
UNKNOWN = x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x05\x00")
"""An extension that nobody knows."""

_PEM = serialization.Encoding.PEM
_DER = serialization.Encoding.DER
_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def usage(*names: str) -> x509.KeyUsage:
    """A key usage of exactly those."""
    return x509.KeyUsage(**{name: name in names for name in _USAGES})


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True)
class Issued:
    """A certificate with its key and the certificates above it, without the root."""

    certificate: x509.Certificate
    key: Key
    above: tuple[x509.Certificate, ...] = ()

    @property
    def chain(self) -> tuple[bytes, ...]:
        return tuple(one.public_bytes(_DER) for one in (self.certificate, *self.above))

    @property
    def presented(self) -> Presented:
        others = b"".join(one.public_bytes(_PEM) for one in self.above)
        return Presented(self.certificate.public_bytes(_PEM), others)

    @property
    def chain_pem(self) -> bytes:
        return b"".join(self.presented)

    @property
    def key_pem(self) -> bytes:
        return _key_pem(self.key)

    @property
    def key_der(self) -> bytes:
        form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        return self.key.private_bytes(_DER, form, plain)


@dataclass(frozen=True)
class Form:
    """What a certificate says; the defaults are a leaf's."""

    uris: Sequence[str] = ()
    dns: Sequence[str] = ()
    ca: bool | None = False
    path_length: int | None = None
    usage: x509.KeyUsage | None = field(default_factory=lambda: usage("digital_signature"))
    extended: Sequence[ObjectIdentifier] | None = (SERVER, CLIENT)
    more: Sequence[tuple[x509.ExtensionType, bool]] = ()
    not_before: datetime = NOON
    lifetime: timedelta = HOUR

    def sign(
        self, subject: str, key: Key, issuer: x509.Name, issuer_key: ec.EllipticCurvePrivateKey
    ) -> x509.Certificate:
        """The certificate of ``key``."""
        start = min(self.not_before, self.not_before + self.lifetime)
        end = max(self.not_before, self.not_before + self.lifetime)
        builder = x509.CertificateBuilder(
            issuer, name(subject), key.public_key(), x509.random_serial_number(), start, end
        )
        above = issuer_key.public_key()
        for extension, critical in (
            *self._extensions(),
            # Without them, TLS takes an authority of the same name for this one.
            (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(above), False),
        ):
            builder = builder.add_extension(extension, critical)
        return builder.sign(issuer_key, hashes.SHA256())

    def _extensions(self) -> Sequence[tuple[x509.ExtensionType, bool]]:
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(uri) for uri in self.uris]
        names += [x509.DNSName(dns) for dns in self.dns]
        found: list[tuple[x509.ExtensionType, bool]] = list(self.more)
        if names:
            found.append((x509.SubjectAlternativeName(names), False))
        if self.ca is not None:
            found.append((x509.BasicConstraints(self.ca, self.path_length), True))
        if self.usage is not None:
            found.append((self.usage, True))
        if self.extended is not None:
            found.append((x509.ExtendedKeyUsage(self.extended), False))
        return found


def name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _key_pem(key: Key) -> bytes:
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(_PEM, form, plain)


class Authority:
    """The root of a trust domain, or somebody below it."""

    def __init__(
        self,
        trust_domain: str = "example.org",
        *,
        now: datetime = NOON,
        common: str = "root",
        **changes: Any,
    ) -> None:
        """Makes a root that counts from an hour before ``now``; ``changes`` are of its form."""
        self.trust_domain = trust_domain
        self.now = now
        self.key = new_key()
        self.above: tuple[x509.Certificate, ...] = ()
        form = self._form(changes)
        self.certificate = form.sign(common, self.key, name(common), self.key)

    def _form(self, changes: dict[str, Any]) -> Form:
        settings: dict[str, Any] = {
            "uris": [f"spiffe://{self.trust_domain}"],
            "ca": True,
            "usage": usage("key_cert_sign", "crl_sign"),
            "extended": None,
            "not_before": self.now - HOUR,
            "lifetime": 100 * HOUR,
            **changes,
        }
        return Form(**settings)

    @property
    def bundle(self) -> tuple[bytes, ...]:
        """The certificate, DER, as the trust bundle of the domain."""
        return (self.certificate.public_bytes(_DER),)

    @property
    def bundle_pem(self) -> bytes:
        return self.certificate.public_bytes(_PEM)

    @property
    def key_pem(self) -> bytes:
        return _key_pem(self.key)

    def intermediate(self, common: str = "intermediate", **changes: Any) -> Self:
        """An authority below this one; ``changes`` are of its form."""
        below = type(self)(self.trust_domain, now=self.now, common=common)
        form = below._form(changes)
        below.certificate = form.sign(common, below.key, self.certificate.subject, self.key)
        below.above = (below.certificate, *self.above)
        return below

    def issue(
        self,
        *uris: str,
        key: Key | None = None,
        **changes: Any,
    ) -> Issued:
        """A leaf with those URI SANs; ``changes`` are of its form."""
        key = key or new_key()
        form = Form(**{"uris": uris, "not_before": self.now, **changes})
        certificate = form.sign("leaf", key, self.certificate.subject, self.key)
        return Issued(certificate, key, self.above)
