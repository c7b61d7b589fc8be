"""The Workload API on a real listener, asked by libraries that know nothing of governd."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from governd.adapters.spire_agent import SpireAgent
from governd.services.workload_stubs import SERVICE, messages
from tests.contracts.workload_api import PARTNER, PERMITTED, WEB, WorkloadApiContract, refused
from tests.fakes.delegating import CLIENT, IDP
from tests.fakes.identity_source import FakeIdentitySource
from tests.fakes.token_issuer import TokenIssuer
from tests.fakes.workloads import SHOP
from tests.integration.daemon_process import DaemonProcess, prepare
from tests.integration.delegating import WORKLOADS, write_policy
from tests.integration.spire_workload import POLICY, OfSpire, path_of
from tests.integration.workload_server import WorkloadServer
from tests.spire_parts import TRUST_DOMAIN, Spire, SpireServer, spires
from tests.stock_clients import GoSpiffe, PySpiffe

INTENT = (("workload.spiffe.io", "true"),)


class OfFake:
    """A workload whose identities a fake source issues.

    Attributes:
        server: Serves it.
    """

    def __init__(self, socket: Path) -> None:
        self._source = FakeIdentitySource(time.time)
        self._federates_with: list[str] = []
        self.server = WorkloadServer(socket, POLICY, lambda: self._source)

    @property
    def address(self) -> str:
        return self.server.address

    def rotate(self) -> None:
        self.register(WEB)

    def register(self, spiffe_id: str) -> None:
        path, federated = path_of(spiffe_id), self._federates_with
        self.server.do(lambda: self._source.register(path, SHOP, federates_with=federated))

    def revoke(self, spiffe_id: str) -> None:
        self.server.do(lambda: self._source.unregister(path_of(spiffe_id)))

    def federate(self, *, trusted: bool) -> None:
        self._federates_with = [PARTNER] if trusted else []
        self.register(WEB)
        self.server.do(lambda: self._source.federate(PARTNER, trusted=trusted))


@pytest.fixture
def socket(tmp_path: Path) -> Path:
    tmp_path.chmod(0o755)
    return tmp_path / "web.sock"


@pytest.fixture(scope="module")
def partner() -> Iterator[SpireServer]:
    """Another trust domain's server."""
    with spires() as start:
        yield start(PARTNER).server


@pytest.fixture
def workload(socket: Path) -> Iterator[OfFake]:
    served = OfFake(socket)
    served.server.start()
    try:
        served.register(WEB)
        yield served
    finally:
        served.server.stop()


class TestFake(WorkloadApiContract):
    """The contract, before a fake source."""


class TestSpire(WorkloadApiContract):
    """The contract, before a real SPIRE."""

    @pytest.fixture
    def workload(self, spire: Spire, partner: SpireServer, socket: Path) -> Iterator[OfSpire]:
        agent = spire.agent.admin_socket
        server = WorkloadServer(socket, POLICY, lambda: SpireAgent(agent, TRUST_DOMAIN))
        server.start()
        served = OfSpire(spire, partner, server)
        try:
            served.register(WEB)
            yield served
        finally:
            served.close()
            server.stop()


@pytest.mark.req("sa-3", part=True)
def test_a_token_is_on_record_with_who_got_it(workload: OfFake) -> None:
    PySpiffe(workload.address).tokens(PERMITTED)
    (record,) = workload.server.records
    assert (record["subject"], record["action"]) == (WEB, "identity/jwt-svid")
    assert record["resource"] == {"type": "external_service", "id": PERMITTED}


def test_pythons_source_of_tokens_keeps_going(workload: OfFake) -> None:
    with PySpiffe(workload.address).watch() as sources:
        workload.rotate()
        assert str(sources.jwt.fetch_svid({PERMITTED}).spiffe_id) == WEB


@pytest.mark.req("sa-5", part=True)
def test_every_stream_is_told_that_there_is_no_identity_and_that_there_is_one(
    workload: OfFake,
) -> None:
    with GoSpiffe(workload.address).watch() as watching:
        streams = ("x509", "x509-bundles", "jwt-bundles")
        for name in streams:
            watching.events.named(name)
        workload.revoke(WEB)
        for name in streams:
            assert watching.events.named(f"{name}-error")["code"] == "PermissionDenied"
        workload.register(WEB)
        watching.until(lambda found: found.ids == [WEB])


@pytest.mark.req("lc-3", part=True)
def test_a_drain_ends_streams_so_that_clients_come_back(workload: OfFake) -> None:
    with GoSpiffe(workload.address).watch() as watching:
        streams = ("x509", "x509-bundles", "jwt-bundles")
        for name in streams:
            watching.events.named(name)
        assert workload.server.drain() == 0, "streams are ended before the grace period"
        for name in streams:
            assert watching.events.named(f"{name}-error")["code"] == "Unavailable"


METHODS = {
    "FetchX509SVID": messages.X509SVIDRequest(),
    "FetchX509Bundles": messages.X509BundlesRequest(),
    "FetchJWTSVID": messages.JWTSVIDRequest(audience=[PERMITTED]),
    "FetchJWTBundles": messages.JWTBundlesRequest(),
    "ValidateJWTSVID": messages.ValidateJWTSVIDRequest(audience=PERMITTED, svid="a.b.c"),
    "FetchWITSVID": messages.X509SVIDRequest(),
}


def open_call(channel: grpc.Channel, name: str, metadata: tuple[tuple[str, str], ...]) -> Any:
    """Calls a method, unary or not, without a library."""
    method: Any = channel.unary_stream(f"/SpiffeWorkloadAPI/{name}")
    return method(METHODS[name].SerializeToString(), metadata=metadata, timeout=10)


def status_of(
    workload: OfFake, name: str, metadata: tuple[tuple[str, str], ...]
) -> tuple[grpc.StatusCode, list[str]]:
    """The status of a call, and the keys of its trailers."""
    with grpc.insecure_channel(workload.address) as channel:
        call = open_call(channel, name, metadata)
        with pytest.raises(grpc.RpcError):
            list(call)
        return call.code(), [key for key, _ in call.trailing_metadata()]


@pytest.mark.parametrize("name", [name for name in METHODS if "WIT" not in name])
@pytest.mark.parametrize("metadata", [(), (("workload.spiffe.io", "false"),), INTENT * 2])
def test_attack_a_call_without_intent_gets_a_plain_status(
    workload: OfFake, name: str, metadata: tuple[tuple[str, str], ...]
) -> None:
    code, trailers = status_of(workload, name, metadata)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "grpc-status-details-bin" not in trailers


def test_the_profile_that_is_not_served_is_unimplemented(workload: OfFake) -> None:
    code, _ = status_of(workload, "FetchWITSVID", INTENT)
    assert code is grpc.StatusCode.UNIMPLEMENTED


def test_the_service_is_found_by_reflection(workload: OfFake) -> None:
    with grpc.insecure_channel(workload.address) as channel:
        found = ProtoReflectionDescriptorDatabase(channel)
        assert SERVICE in found.get_services()
        file = found.FindFileContainingSymbol(SERVICE)
    assert [service.name for service in file.service] == [SERVICE]


def test_an_identity_that_comes_while_it_is_asked_for_is_waited_for(workload: OfFake) -> None:
    workload.revoke(WEB)
    assert refused(PySpiffe(workload.address).identities) is grpc.StatusCode.PERMISSION_DENIED
    with grpc.insecure_channel(workload.address) as channel:
        call = open_call(channel, "FetchX509SVID", INTENT)
        workload.register(WEB)
        answer = messages.X509SVIDResponse.FromString(next(call))
        call.cancel()
    assert answer.svids[0].spiffe_id == WEB


DENIED, MALFORMED = grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.INVALID_ARGUMENT
FOR_ISSUERS = (
    (IDP, DENIED),
    (f"{IDP}/", DENIED),
    (f"{IDP}/token?a=b", DENIED),
    (CLIENT, DENIED),
    (f"{IDP}:443/token", MALFORMED),
    (f"{IDP}./", MALFORMED),
    (IDP.upper(), MALFORMED),
)
"""What an issuer of users' tokens could find itself in, as the audience of an agent's token."""


@pytest.mark.req("gi-3", part=True)
@pytest.mark.req("r-3", part=True)
@pytest.mark.parametrize(("audience", "code"), FOR_ISSUERS)
def test_attack_an_agent_asks_for_a_token_for_an_issuer_of_users_where_policy_permits_all(
    token_seeker: DaemonProcess, audience: str, code: grpc.StatusCode
) -> None:
    client = PySpiffe(token_seeker.target("planner"))
    assert client.tokens("bank")
    assert refused(lambda: client.tokens(audience)) is code
    assert refused(lambda: client.tokens("bank", audience)) is code
    denied = [one for one in token_seeker.decisions() if one["code"] != "PERMITTED"]
    assert {one["code"] for one in denied} <= {"FORBIDDEN"}
    assert code is MALFORMED or denied[-1]["reasons"] == ["base/reserved-audiences"]


@pytest.fixture(scope="module")
def token_seeker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    """A daemon whose policy permits every token."""
    folder = tmp_path_factory.mktemp("issuers")
    policy = write_policy(folder / "policy", TokenIssuer())
    rules = policy / "policies" / "test.cedar"
    rules.write_text('@id("all") permit (principal, action, resource);')
    daemon = prepare(folder / "governd", "", WORKLOADS, policy)
    try:
        daemon.start()
        yield daemon
        assert daemon.stop() == 0
    finally:
        daemon.kill()
