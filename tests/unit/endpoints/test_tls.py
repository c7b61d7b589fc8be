"""What TLS serves with, and when that changes."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from governd.endpoints.tls import (
    ServerTls,
    ServingMaterial,
    SvidServing,
    connection_age_ms,
    pem,
)
from governd.errors import IdentityError
from governd.identity import SpiffeId
from governd.identity.secret import Secret
from governd.identity.svid import X509Svid
from governd.identity.verification import Verifier
from tests.fakes.authority import NOON, Authority, Issued

OURS, PARTNER = Authority("example.org"), Authority("partner.org")
BUNDLES = {"example.org": OURS.bundle, "partner.org": PARTNER.bundle}
SERVER = "spiffe://example.org/governd/server/node"


def svid(issued: Issued) -> X509Svid:
    end = issued.certificate.not_valid_after_utc
    key = Secret(issued.key_der)
    return X509Svid(SpiffeId.parse(SERVER), issued.chain, key, "", NOON, end)


class Served:
    """An SVID that a test rotates."""

    def __init__(self, domains: Sequence[str] = ("example.org",)) -> None:
        self.issued = OURS.intermediate().issue(SERVER, dns=["governd"])
        self.svid = svid(self.issued)
        self.verifier = Verifier(BUNDLES)
        self.serving = SvidServing(lambda: self.svid, self.verifier, domains)


def test_certificate_and_key_are_as_pem_what_the_svid_holds() -> None:
    served = Served()
    material = served.serving.material()
    found = x509.load_pem_x509_certificates(material.certificate_chain)
    assert found == [served.issued.certificate, *served.issued.above]
    key = serialization.load_pem_private_key(material.private_key.reveal(), None)
    assert key.public_key() == served.issued.key.public_key()
    assert material.private_key.reveal() == served.issued.key_pem


def test_a_private_key_does_not_show() -> None:
    assert "PRIVATE" not in repr(Served().serving.material())


@pytest.mark.parametrize(
    ("domains", "authorities"),
    [
        (("example.org",), [OURS]),
        (("partner.org",), [PARTNER]),
        (("example.org", "partner.org"), [OURS, PARTNER]),
        (("example.org", "elsewhere.org"), [OURS]),
    ],
)
def test_the_roots_are_those_of_the_trust_domains_and_no_others(
    domains: tuple[str, ...], authorities: list[Authority]
) -> None:
    material = Served(domains).serving.material()
    found = x509.load_pem_x509_certificates(material.roots)
    assert found == [authority.certificate for authority in authorities]


def test_nothing_is_made_anew_as_long_as_nothing_changes() -> None:
    served = Served()
    assert served.serving.material() is served.serving.material()


def test_another_certificate_and_another_bundle_are_another_generation() -> None:
    served = Served()
    first = served.serving.material()
    served.svid = svid(OURS.issue(SERVER))
    second = served.serving.material()
    served.verifier.replace({"example.org": PARTNER.bundle})
    third = served.serving.material()
    assert len({first.generation, second.generation, third.generation}) == 3
    assert first.certificate_chain != second.certificate_chain == third.certificate_chain
    assert second.roots != third.roots


class Rotating:
    """A serving identity that a test rotates."""

    def __init__(self) -> None:
        self.generation = 0
        self.revoked = False

    def material(self) -> ServingMaterial:
        if self.revoked:
            message = "it is revoked"
            raise IdentityError(message)
        issued = OURS.issue(SERVER)
        return ServingMaterial(
            issued.chain_pem, Secret(issued.key_pem), OURS.bundle_pem, self.generation
        )


def test_a_handshake_gets_a_certificate_only_when_it_is_another() -> None:
    identity = Rotating()
    tls = ServerTls(identity)
    tls.credentials()
    assert tls._changed() is None
    identity.generation = 1
    assert tls._changed() is not None
    assert tls._changed() is None


def test_a_handshake_after_the_revocation_is_no_fault_in_grpcs_thread() -> None:
    identity = Rotating()
    tls = ServerTls(identity)
    tls.credentials()
    identity.generation, identity.revoked = 1, True
    assert tls._changed() is None
    identity.revoked = False
    assert tls._changed() is not None


@pytest.mark.parametrize(
    ("lifetime", "longest", "milliseconds"),
    [
        (timedelta(minutes=15), 1800.0, 409_090),
        (timedelta(hours=24), 1800.0, 1_636_363),
        (timedelta(seconds=60), 1800.0, 27_272),
        (timedelta(0), 1800.0, 1),
    ],
)
def test_a_connection_is_never_older_than_half_of_the_lifetime(
    lifetime: timedelta, longest: float, milliseconds: int
) -> None:
    assert connection_age_ms(lifetime, longest) == milliseconds
    # gRPC adds up to a tenth.
    assert milliseconds * 1.1 <= max(lifetime.total_seconds() / 2 * 1000, 2)


def test_no_certificates_are_an_empty_text() -> None:
    assert pem([]) == b""
