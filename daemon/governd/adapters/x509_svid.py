"""The form of X.509-SVIDs and of the roots that sign them.

Follows the X509-SVID standard, sections 2 to 4 and appendix A
(https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md). Who is issued what, and
when, is decided elsewhere.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from governd.identity import SpiffeId

ROOT_LIFETIME = timedelta(days=3650)
CLOCK_SKEW = timedelta(minutes=1)
"""How far a verifier's clock may be behind ours."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Who a leaf is for.

    Attributes:
        spiffe_id: Its one URI SAN.
        public_key: Its key.
        dns_name: A DNS SAN beside the URI SAN; ``""`` for none.
    """

    spiffe_id: SpiffeId
    public_key: ec.EllipticCurvePublicKey
    dns_name: str = ""


def root(spiffe_id: SpiffeId, key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    """A self-signed root of the trust domain ``spiffe_id`` that counts from ``now``."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "governd development CA")])
    public = key.public_key()
    return (
        _builder(name, name, public, now, now + ROOT_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(_names(spiffe_id), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )


def leaf(
    subject: Subject, issuer: x509.Certificate, not_before: datetime, not_after: datetime
) -> x509.CertificateBuilder:
    """All of an X.509-SVID but the signature of ``issuer``."""
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "governd")])
    issuer_key = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    authority = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_key)
    return (
        _builder(name, issuer.subject, subject.public_key, not_before, not_after)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(_names(subject.spiffe_id, subject.dns_name), critical=False)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(subject.public_key), critical=False
        )
        .add_extension(authority, critical=False)
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    not_before: datetime,
    not_after: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before - CLOCK_SKEW)
        .not_valid_after(not_after)
    )


def _names(spiffe_id: SpiffeId, dns_name: str = "") -> x509.SubjectAlternativeName:
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(str(spiffe_id))]
    return x509.SubjectAlternativeName(names + ([x509.DNSName(dns_name)] if dns_name else []))


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    """The root signs certificates and nothing else; a leaf, everything else."""
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
