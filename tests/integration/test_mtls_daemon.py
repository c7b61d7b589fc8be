"""A whole governd with an mTLS listener, and the embedded CA behind it."""

import ssl

import grpc
import pytest
from cryptography import x509

from governd._proto.governd.v1 import identity_service_pb2, identity_service_pb2_grpc
from tests.fakes.authority import Authority
from tests.integration.daemon_process import DaemonProcess, StartGovernd
from tests.integration.endpoints import tls_client
from tests.integration.endpoints.peers import WRITER, now

MTLS = '[[listener]]\nattestation = "mtls"\nsocket = "mtls.sock"\n'


@pytest.fixture
def daemon(governd: StartGovernd) -> DaemonProcess:
    return governd(MTLS)


def unchecked(stranger: Authority | None) -> ssl.SSLContext:
    """TLS of a client that takes anybody for governd; with a stranger's certificate or none."""
    issued = stranger.issue(WRITER) if stranger else None
    made = tls_client.context(Authority().bundle_pem, issued)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


def test_governd_serves_with_its_own_id_and_a_name_for_stock_clients(
    daemon: DaemonProcess,
) -> None:
    with tls_client.connected(daemon.directory / "mtls.sock") as stream:
        wrapped = unchecked(None).wrap_socket(stream, server_hostname="governd")
        der = wrapped.getpeercert(binary_form=True)
        wrapped.close()
    assert der is not None
    found = x509.load_der_x509_certificate(der).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    (uri,) = found.value.get_values_for_type(x509.UniformResourceIdentifier)
    assert uri.startswith("spiffe://example.org/governd/server/")
    assert found.value.get_values_for_type(x509.DNSName) == ["governd"]


def test_a_stranger_with_an_id_of_ours_is_not_let_in(daemon: DaemonProcess) -> None:
    tls = unchecked(Authority("example.org", now=now()))
    with (
        pytest.raises((ssl.SSLError, OSError, AssertionError)),
        tls_client.connect(daemon.directory / "mtls.sock", tls) as client,
    ):
        client.call("/governd.v1.IdentityService/WhoAmI")
    with grpc.insecure_channel(daemon.target("reader")) as channel:
        identity = identity_service_pb2_grpc.IdentityServiceStub(channel)
        answer = identity.WhoAmI(identity_service_pb2.WhoAmIRequest(), timeout=5)
    assert answer.spiffe_id == "spiffe://example.org/agent/reader"
