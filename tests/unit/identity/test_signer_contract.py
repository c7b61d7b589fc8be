"""What every signer keeps, the fake as well as the embedded authority's."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from governd.adapters.embedded_ca import EmbeddedAuthority, EmbeddedIdentity
from governd.identity.ports import Signer
from tests.fakes.signer import NOON, FakeSigner

Verify = Callable[[Signer, bytes, bytes], bool]


def _verify_fake(signer: Signer, message: bytes, signature: bytes) -> bool:
    return FakeSigner(signer.spiffe_id).verify(message, signature)


def _verify_es256(signer: Signer, message: bytes, signature: bytes) -> bool:
    public = x509.load_der_x509_certificate(signer.certificate_chain[0]).public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
    try:
        public.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _embedded() -> Signer:
    authority = EmbeddedAuthority("example.org", NOON)
    return EmbeddedIdentity.signing(authority, "node").current(NOON)


@pytest.fixture(
    params=[(FakeSigner, _verify_fake), (_embedded, _verify_es256)], ids=["fake", "embedded"]
)
def both(request: pytest.FixtureRequest) -> tuple[Signer, Verify]:
    make, verify = request.param
    return make(), verify


def test_the_identity_is_that_of_a_signer(both: tuple[Signer, Verify]) -> None:
    signer, _ = both
    assert str(signer.spiffe_id) == "spiffe://example.org/governd/signer/node"


def test_a_signature_is_verified_with_the_leaf(both: tuple[Signer, Verify]) -> None:
    signer, verify = both
    assert verify(signer, b"message", signer.sign(b"message"))


def test_a_signature_counts_for_its_message_alone(both: tuple[Signer, Verify]) -> None:
    signer, verify = both
    assert not verify(signer, b"another", signer.sign(b"message"))


def test_a_signature_has_the_size_that_jws_wants(both: tuple[Signer, Verify]) -> None:
    signer, _ = both
    assert signer.algorithm == "ES256"
    assert {len(signer.sign(bytes([byte]))) for byte in range(64)} == {64}


def test_the_chain_has_a_leaf_and_the_bundle_a_root(both: tuple[Signer, Verify]) -> None:
    signer, _ = both
    assert signer.certificate_chain
    assert signer.trust_bundle
    assert not set(signer.certificate_chain) & set(signer.trust_bundle)


def test_the_end_is_a_point_in_time_in_utc(both: tuple[Signer, Verify]) -> None:
    signer, _ = both
    assert signer.not_after > NOON
    assert signer.not_after.utcoffset() == timedelta(0)
