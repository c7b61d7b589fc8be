"""Who a peer's certificate says it is: exactly one reading, or none."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from governd_client import CallerUnknownError
from governd_client.peer import peer_spiffe_id, spiffe_id_of

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
WRITER = "spiffe://example.org/agent/writer"
KEY = ec.generate_private_key(ec.SECP256R1())


def certificate(
    uris: Sequence[str], *, ca: bool = False, at: datetime = NOW, dns: str = "localhost"
) -> bytes:
    """A certificate of an hour with these URI SANs."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, WRITER)])
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(each) for each in uris]
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(KEY.public_key())
        .serial_number(1)
        .not_valid_before(at - timedelta(minutes=30))
        .not_valid_after(at + timedelta(minutes=30))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([*names, x509.DNSName(dns)]), critical=False)
    )
    return builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


class Peer:
    """What gRPC tells of a connection."""

    def __init__(self, **known: Iterable[bytes]) -> None:
        self.known = known

    def auth_context(self) -> Mapping[str, Iterable[bytes]]:
        return self.known


def test_svid_names_its_peer() -> None:
    assert spiffe_id_of(certificate([WRITER]), NOW) == WRITER
    peer = Peer(x509_pem_cert=[certificate([WRITER], at=datetime.now(UTC))])
    assert peer_spiffe_id(peer) == WRITER


@pytest.mark.parametrize(
    "uris",
    [
        [],
        [WRITER, "https://example.org"],
        [WRITER, WRITER],
        ["spiffe://example.org"],
        ["spiffe://example.org/"],
        ["spiffe://example.org/agent/"],
        ["spiffe://example.org//agent"],
        ["spiffe://example.org/agent/../admin"],
        ["spiffe://example.org/."],
        ["spiffe://Example.org/agent"],
        ["SPIFFE://example.org/agent"],
        ["spiffe://example.org:443/agent"],
        ["spiffe://user@example.org/agent"],
        ["spiffe://example.org/agent?x=1"],
        ["spiffe://example.org/agent#x"],
        ["spiffe://example.org/%61gent"],
        [WRITER + "\x00.evil"],
        [WRITER + "\n"],
        ["https://example.org/agent"],
        [f"spiffe://{'a' * 256}/agent"],
        ["spiffe://example.org/" + "a" * 2048],
    ],
    ids=lambda uris: ",".join(uris)[:60].encode("unicode_escape").decode(),
)
def test_anything_but_one_canonical_spiffe_id_is_refused(uris: list[str]) -> None:
    with pytest.raises(CallerUnknownError):
        spiffe_id_of(certificate(uris), NOW)


def test_dots_within_a_segment_are_canonical() -> None:
    dotted = "spiffe://example.org/..a/b..c/...d"
    assert spiffe_id_of(certificate([dotted]), NOW) == dotted


def test_authority_certificate_is_no_caller() -> None:
    with pytest.raises(CallerUnknownError):
        spiffe_id_of(certificate([WRITER], ca=True), NOW)


@pytest.mark.parametrize("minutes", [-31, 31])
def test_connection_does_not_outlive_its_certificate(minutes: int) -> None:
    with pytest.raises(CallerUnknownError, match="not valid now"):
        spiffe_id_of(certificate([WRITER]), NOW + timedelta(minutes=minutes))


@pytest.mark.parametrize("peer", [Peer(), Peer(peer_spiffe_id=[WRITER.encode()])])
def test_peer_without_a_certificate_is_unknown_whatever_grpc_says(peer: Peer) -> None:
    with pytest.raises(CallerUnknownError):
        peer_spiffe_id(peer)


@pytest.mark.parametrize("pem", [b"", b"no certificate"])
def test_certificate_that_cannot_be_read_is_refused(pem: bytes) -> None:
    with pytest.raises(CallerUnknownError):
        spiffe_id_of(pem, NOW)
