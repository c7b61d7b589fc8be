"""What the certificates of an X.509-SVID's path must look like.

Follows the X509-SVID standard, sections 2 to 5
(https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md). Signatures, issuers,
path lengths and the validity of authorities are path validation's business
(``verification``); what is here is what SPIFFE asks for beside that.

Rules for a leaf, the first that is broken is told:
    * exactly one URI SAN, a SPIFFE ID in its one canonical form, with a path; SANs of other
      kinds are ignored;
    * no authority: neither ``cA`` nor ``keyCertSign`` nor ``cRLSign``, no name constraints;
    * ``digitalSignature``, and ``clientAuth`` where there is an extended key usage;
    * valid now, and a key that is not too weak.

Rules for an authority: ``cA``, ``keyCertSign``, and no SPIFFE ID but that of the trust domain.
"""

import hashlib
from datetime import datetime
from typing import TypedDict, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, Policy

from governd.errors import PeerError, RequestError
from governd.identity import jose
from governd.identity.spiffe_id import SpiffeId

MIN_RSA_BITS = 2048

Extension = TypeVar("Extension", bound=x509.ExtensionType)


class Policies(TypedDict):
    """What ``PolicyBuilder.extension_policies`` takes."""

    ca_policy: ExtensionPolicy
    ee_policy: ExtensionPolicy


def der_of(pem: bytes) -> list[bytes]:
    """The certificates in a PEM text, in DER.

    Raises:
        ValueError: There is none, or one does not parse.
    """
    found = x509.load_pem_x509_certificates(pem)
    return [one.public_bytes(serialization.Encoding.DER) for one in found]


def thumbprint(certificate: bytes) -> str:
    """The ``x5t#S256`` of a certificate in DER (RFC 8705, section 3.1)."""
    return jose.encode(hashlib.sha256(certificate).digest())


def check_leaf(leaf: x509.Certificate, now: datetime) -> SpiffeId:
    """The SPIFFE ID of a leaf that keeps the rules; who signed it is another question.

    Args:
        leaf: The certificate.
        now: When it is to be valid, in UTC.

    Raises:
        PeerError: It breaks a rule.
        ValueError: An extension does not parse.
    """
    spiffe_id = _spiffe_id(leaf)
    _check_validity(leaf, now)
    _check_no_authority(leaf)
    _check_usage(leaf)
    key = leaf.public_key()
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < MIN_RSA_BITS:
        message = f"the key has {key.key_size} bits, fewer than {MIN_RSA_BITS}"
        raise PeerError(message)
    return spiffe_id


def policies(trust_domain: str) -> Policies:
    """Which extensions path validation is to find, in a path of that trust domain."""

    def only_of_the_domain(
        _policy: Policy, _certificate: x509.Certificate, names: x509.SubjectAlternativeName | None
    ) -> None:
        uris = names.get_values_for_type(x509.UniformResourceIdentifier) if names else []
        spiffe_ids = [uri for uri in uris if uri.lower().startswith("spiffe:")]
        if any(uri != f"spiffe://{trust_domain}" for uri in spiffe_ids):
            message = "an authority of another trust domain"
            raise ValueError(message)

    anything = ExtensionPolicy.permit_all()
    either_way = Criticality.AGNOSTIC
    authority = anything.require_present(x509.BasicConstraints, either_way, None)
    authority = authority.require_present(x509.KeyUsage, either_way, _signs_certificates)
    authority = authority.may_be_present(
        x509.SubjectAlternativeName, either_way, only_of_the_domain
    )
    return {"ca_policy": authority, "ee_policy": anything}


def _signs_certificates(
    _policy: Policy, _certificate: x509.Certificate, usage: x509.KeyUsage
) -> None:
    if not usage.key_cert_sign:
        message = "an authority without keyCertSign"
        raise ValueError(message)


def _spiffe_id(leaf: x509.Certificate) -> SpiffeId:
    names = _extension(leaf, x509.SubjectAlternativeName)
    uris = names.get_values_for_type(x509.UniformResourceIdentifier) if names else []
    if len(uris) != 1:
        message = f"expected exactly one URI SAN, got {len(uris)}"
        raise PeerError(message)
    try:
        spiffe_id = SpiffeId.parse(uris[0], field="URI SAN")
    except RequestError as error:
        raise PeerError(str(error)) from None
    if not spiffe_id.path:
        message = "URI SAN: expected the ID of a workload, not of a trust domain"
        raise PeerError(message)
    return spiffe_id


def _check_validity(leaf: x509.Certificate, now: datetime) -> None:
    if now < leaf.not_valid_before_utc:
        message = "the certificate is not valid yet"
        raise PeerError(message)
    if now > leaf.not_valid_after_utc:
        message = "the certificate has expired"
        raise PeerError(message)


def _check_no_authority(leaf: x509.Certificate) -> None:
    constraints = _extension(leaf, x509.BasicConstraints)
    usage = _extension(leaf, x509.KeyUsage)
    signs = usage is not None and (usage.key_cert_sign or usage.crl_sign)
    constrains = _extension(leaf, x509.NameConstraints) is not None
    if signs or constrains or (constraints is not None and constraints.ca):
        message = "the certificate is that of an authority, not of a workload"
        raise PeerError(message)


def _check_usage(leaf: x509.Certificate) -> None:
    usage = _extension(leaf, x509.KeyUsage)
    if usage is None or not usage.digital_signature:
        message = "the certificate has no key usage digitalSignature"
        raise PeerError(message)
    extended = _extension(leaf, x509.ExtendedKeyUsage)
    if extended is not None and ExtendedKeyUsageOID.CLIENT_AUTH not in extended:
        message = "the certificate has an extended key usage without clientAuth"
        raise PeerError(message)


def _extension(certificate: x509.Certificate, kind: type[Extension]) -> Extension | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
