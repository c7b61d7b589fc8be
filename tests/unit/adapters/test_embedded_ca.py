"""X.509-SVIDs as the standard wants them, renewed in time, keys nowhere to be seen."""

from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from governd.adapters.embedded_ca import (
    LEAF_LIFETIME,
    EmbeddedAuthority,
    EmbeddedIdentity,
    EmbeddedSigner,
)
from governd.errors import RequestError
from tests.fakes.signer import NOON


@pytest.fixture
def authority() -> EmbeddedAuthority:
    return EmbeddedAuthority("example.org", NOON)


@pytest.fixture
def serving(authority: EmbeddedAuthority) -> EmbeddedIdentity:
    return EmbeddedIdentity.serving(authority, "node-1")


def leaf_of(signer: EmbeddedSigner) -> x509.Certificate:
    return x509.load_der_x509_certificate(signer.certificate_chain[0])


def root_of(authority: EmbeddedAuthority) -> x509.Certificate:
    return x509.load_der_x509_certificate(authority.trust_bundle[0])


def names_of(certificate: x509.Certificate) -> x509.SubjectAlternativeName:
    return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value


def chain_is_valid(leaf: x509.Certificate, root: x509.Certificate, now: datetime) -> bool:
    verifier = PolicyBuilder().store(Store([root])).time(now).build_client_verifier()
    try:
        verifier.verify(leaf, [])
    except VerificationError:
        return False
    return True


def test_a_leaf_has_exactly_one_uri_san(serving: EmbeddedIdentity) -> None:
    names = names_of(leaf_of(serving.current(NOON)))
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [
        "spiffe://example.org/governd/server/node-1"
    ]


def test_the_serving_leaf_has_a_dns_name_and_the_signing_leaf_none(
    authority: EmbeddedAuthority, serving: EmbeddedIdentity
) -> None:
    signing = EmbeddedIdentity.signing(authority, "node-1")
    served = names_of(leaf_of(serving.current(NOON)))
    assert served.get_values_for_type(x509.DNSName) == ["governd"]
    assert len(names_of(leaf_of(signing.current(NOON)))) == 1


def test_a_leaf_is_no_authority(serving: EmbeddedIdentity) -> None:
    extensions = leaf_of(serving.current(NOON)).extensions
    basic = extensions.get_extension_for_class(x509.BasicConstraints)
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert basic.critical
    assert not basic.value.ca
    assert usage.critical
    assert usage.value.digital_signature
    assert not usage.value.key_cert_sign
    assert not usage.value.crl_sign


def test_a_leaf_serves_both_ends_of_a_connection(serving: EmbeddedIdentity) -> None:
    extensions = leaf_of(serving.current(NOON)).extensions
    usages = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(usages) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}


def test_the_root_is_named_by_its_trust_domain_and_signs_certificates_only(
    authority: EmbeddedAuthority,
) -> None:
    root = root_of(authority)
    usage = root.extensions.get_extension_for_class(x509.KeyUsage)
    basic = root.extensions.get_extension_for_class(x509.BasicConstraints)
    assert [name.value for name in names_of(root)] == ["spiffe://example.org"]
    assert usage.critical
    assert usage.value.key_cert_sign
    assert not usage.value.digital_signature
    assert basic.critical
    assert basic.value.ca


def test_a_leaf_verifies_against_its_own_root_alone(
    authority: EmbeddedAuthority, serving: EmbeddedIdentity
) -> None:
    leaf = leaf_of(serving.current(NOON))
    assert chain_is_valid(leaf, root_of(authority), NOON)
    assert not chain_is_valid(leaf, root_of(EmbeddedAuthority("example.org", NOON)), NOON)


def test_a_leaf_counts_to_its_end_and_not_beyond(
    authority: EmbeddedAuthority, serving: EmbeddedIdentity
) -> None:
    signer = serving.current(NOON)
    leaf, root = leaf_of(signer), root_of(authority)
    assert signer.not_after == NOON + LEAF_LIFETIME
    assert chain_is_valid(leaf, root, signer.not_after)
    assert not chain_is_valid(leaf, root, signer.not_after + timedelta(seconds=1))


def test_a_clock_that_is_a_little_behind_is_forgiven(
    authority: EmbeddedAuthority, serving: EmbeddedIdentity
) -> None:
    leaf = leaf_of(serving.current(NOON))
    assert chain_is_valid(leaf, root_of(authority), NOON - timedelta(seconds=59))
    assert not chain_is_valid(leaf, root_of(authority), NOON - timedelta(seconds=61))


def test_an_identity_stays_the_same_to_half_of_its_lifetime(serving: EmbeddedIdentity) -> None:
    first = serving.current(NOON)
    assert serving.current(NOON + LEAF_LIFETIME / 2) is first


def test_an_identity_is_renewed_with_a_new_key_past_half_of_its_lifetime(
    serving: EmbeddedIdentity,
) -> None:
    first = serving.current(NOON)
    later = NOON + LEAF_LIFETIME / 2 + timedelta(microseconds=1)
    second = serving.current(later)
    assert second.spiffe_id == first.spiffe_id
    assert second.not_after > first.not_after
    assert leaf_of(second).public_key() != leaf_of(first).public_key()
    assert leaf_of(second).serial_number != leaf_of(first).serial_number


def test_a_clock_set_back_does_not_keep_an_identity_of_the_future(
    serving: EmbeddedIdentity,
) -> None:
    first = serving.current(NOON)
    assert serving.current(NOON - timedelta(hours=1)).not_after < first.not_after


def test_the_key_shows_in_no_representation(
    authority: EmbeddedAuthority, serving: EmbeddedIdentity
) -> None:
    signer = serving.current(NOON)
    shown = f"{authority!r} {serving!r} {signer!r} {signer}"
    assert "PrivateKey" not in shown
    assert "_key" not in shown
    assert "PRIVATE" not in shown


def test_the_key_for_tls_belongs_to_the_leaf(serving: EmbeddedIdentity) -> None:
    signer = serving.current(NOON)
    key = load_pem_private_key(signer.private_key_pem(), password=None)
    assert key.public_key() == leaf_of(signer).public_key()


@pytest.mark.parametrize("path", ["/../x", "/", "/a b", "/governd/server/", "/x?y"])
def test_a_path_that_makes_no_spiffe_id_gets_no_certificate(
    authority: EmbeddedAuthority, path: str
) -> None:
    with pytest.raises(RequestError):
        authority.issue(path, NOON)


@pytest.mark.parametrize("name", ["Example.org", "example.org:443", ""])
def test_a_root_has_a_well_formed_trust_domain(name: str) -> None:
    with pytest.raises(RequestError):
        EmbeddedAuthority(name, NOON)


def test_a_path_is_no_trust_domain() -> None:
    with pytest.raises(RequestError, match="trust domain"):
        EmbeddedAuthority("example.org/x", NOON)


def test_a_leaf_is_not_issued_for_the_trust_domain_itself(authority: EmbeddedAuthority) -> None:
    with pytest.raises(RequestError, match="path"):
        authority.issue("", NOON)
