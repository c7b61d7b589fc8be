"""What every signer keeps, the fake as well as those with real keys."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from governd.adapters.embedded_ca import EmbeddedAuthority, EmbeddedIdentity
from governd.identity import SpiffeId
from governd.identity.ports import Signer
from governd.identity.secret import Secret
from governd.identity.svid import X509Svid
from governd.identity.svid_signer import signer_of
from tests.fakes.authority import Authority
from tests.fakes.signer import NOON, FakeSigner

SIGNER = "spiffe://example.org/governd/signer/node"


@dataclass(frozen=True)
class Subject:
    """A signer, and what is known of its signatures."""

    signer: Signer
    verify: Callable[[Signer, bytes, bytes], bool]
    algorithm: str = "ES256"
    size: int = 64


def _verify_fake(signer: Signer, message: bytes, signature: bytes) -> bool:
    return FakeSigner(signer.spiffe_id).verify(message, signature)


def _verify(signer: Signer, message: bytes, signature: bytes) -> bool:
    """As RFC 7518 says, with nothing but the certificate."""
    public = x509.load_der_x509_certificate(signer.certificate_chain[0]).public_key()
    try:
        if isinstance(public, rsa.RSAPublicKey):
            public.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
        else:
            assert isinstance(public, ec.EllipticCurvePublicKey)
            r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
            public.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _embedded() -> Subject:
    authority = EmbeddedAuthority("example.org", NOON)
    return Subject(EmbeddedIdentity.signing(authority, "node").current(NOON), _verify)


def _of_svid(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> Signer:
    authority = Authority("example.org")
    issued = authority.intermediate().issue(SIGNER, key=key)
    end = issued.certificate.not_valid_after_utc
    svid = X509Svid(
        SpiffeId.parse(SIGNER), issued.chain, Secret(issued.key_der), "", datetime.now(UTC), end
    )
    return signer_of(svid, authority.bundle)


def _p256() -> Subject:
    return Subject(_of_svid(ec.generate_private_key(ec.SECP256R1())), _verify)


def _rsa() -> Subject:
    key = rsa.generate_private_key(65537, 2048)
    return Subject(_of_svid(key), _verify, algorithm="RS256", size=256)


@pytest.fixture(
    scope="module",
    params=[lambda: Subject(FakeSigner(), _verify_fake), _embedded, _p256, _rsa],
    ids=["fake", "embedded", "P-256 SVID", "RSA SVID"],
)
def subject(request: pytest.FixtureRequest) -> Subject:
    made: Subject = request.param()
    return made


def test_the_identity_is_that_of_a_signer(subject: Subject) -> None:
    assert str(subject.signer.spiffe_id) == SIGNER


def test_a_signature_is_verified_with_the_leaf(subject: Subject) -> None:
    signer = subject.signer
    assert subject.verify(signer, b"message", signer.sign(b"message"))


def test_a_signature_counts_for_its_message_alone(subject: Subject) -> None:
    signer = subject.signer
    assert not subject.verify(signer, b"another", signer.sign(b"message"))


def test_a_signature_has_the_size_that_jws_wants(subject: Subject) -> None:
    signer = subject.signer
    assert signer.algorithm == subject.algorithm
    assert {len(signer.sign(bytes([byte]))) for byte in range(64)} == {subject.size}


def test_the_chain_has_a_leaf_and_the_bundle_a_root(subject: Subject) -> None:
    signer = subject.signer
    assert signer.certificate_chain
    assert signer.trust_bundle
    assert not set(signer.certificate_chain) & set(signer.trust_bundle)


def test_the_end_is_a_point_in_time_in_utc(subject: Subject) -> None:
    assert subject.signer.not_after > NOON
    assert subject.signer.not_after.utcoffset() == timedelta(0)


def test_a_signer_shows_no_key(subject: Subject) -> None:
    assert "key" not in repr(subject.signer).lower()
