"""Listeners whose caller is who a real SPIRE says that it is, at the moment of each call."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from governd._proto.governd.v1 import (
    identity_service_pb2,
    identity_service_pb2_grpc,
    policy_service_pb2,
    policy_service_pb2_grpc,
    tool_service_pb2,
)
from governd.cli import probe
from governd.endpoints.occupant_interceptor import OPEN
from governd.observability.names import OTHER
from governd.services.workload_stubs import messages
from tests.contracts.workload_api import PARTNER, WEB, WorkloadApiContract
from tests.integration.attested_daemon import (
    ACCOUNT,
    FACTS,
    SHOP,
    TEMPLATE,
    Attested,
    callers,
    component,
    identity_section,
    listener,
    policy_of,
    raw,
    status,
    until,
)
from tests.integration.daemon_process import StartGovernd
from tests.integration.endpoints.doors import Refusal, refusal
from tests.integration.spire_workload import POLICY, OfSpire
from tests.mtls_parts import own_entries
from tests.spire_parts import Entry, Spire, SpireServer, StartSpire, spires
from tests.stock_clients import GoSpiffe

API = "spiffe://example.org/api"
STAND_IN = "spiffe://example.org/ns/shop/sa/web"
NOT_ISSUED = Refusal(grpc.StatusCode.PERMISSION_DENIED, "IDENTITY_NOT_ISSUED", {}, 1.0)
AWAY = Refusal(grpc.StatusCode.UNAVAILABLE, "IDENTITY_UNAVAILABLE", {}, 1.0)
UNVERIFIED = Refusal(grpc.StatusCode.UNAUTHENTICATED, "CALLER_UNVERIFIED", {}, None)
READY, WAITING = identity_service_pb2.PHASE_READY, identity_service_pb2.PHASE_WAITING

_POLICY, _TOOL = "/governd.v1.PolicyService/", "/governd.v1.ToolService/"
REFUSED: dict[str, Message] = {
    _POLICY + "Evaluate": policy_service_pb2.EvaluateRequest(),
    _POLICY + "EvaluateBatch": policy_service_pb2.EvaluateBatchRequest(),
    _POLICY + "EvaluateStream": policy_service_pb2.EvaluateStreamRequest(),
    _POLICY + "WatchEpoch": policy_service_pb2.WatchEpochRequest(),
    _POLICY + "ReportOutcome": policy_service_pb2.ReportOutcomeRequest(),
    _TOOL + "RegisterTools": tool_service_pb2.RegisterToolsRequest(),
    _TOOL + "FilterTools": tool_service_pb2.FilterToolsRequest(),
}
_API = "/SpiffeWorkloadAPI/"
FETCHED: dict[str, Message] = {
    _API + "FetchX509SVID": messages.X509SVIDRequest(),
    _API + "FetchX509Bundles": messages.X509BundlesRequest(),
    _API + "FetchJWTSVID": messages.JWTSVIDRequest(audience=["bank"]),
    _API + "FetchJWTBundles": messages.JWTBundlesRequest(),
    _API + "ValidateJWTSVID": messages.ValidateJWTSVIDRequest(audience="bank", svid="a.b.c"),
}


@pytest.fixture(scope="module")
def spire() -> Iterator[Spire]:
    """One that the tests share, with governd's own entries; each has selectors of its own."""
    with spires() as start:
        yield start(entries=own_entries())


@pytest.fixture(scope="module")
def partner() -> Iterator[SpireServer]:
    with spires() as start:
        yield start(PARTNER).server


def how_refused(workload: Attested, method: str, request: Message) -> Refusal:
    with workload.channel() as channel:
        return refused(raw(channel, method, request))


def refused(call: Any) -> Refusal:
    """How a call ends that must not end well."""
    with pytest.raises(grpc.RpcError):
        list(call)
    return refusal(call)


def watch(channel: grpc.Channel) -> Any:
    """A stream that lasts for as long as its caller is who it was; begun."""
    stream = policy_service_pb2_grpc.PolicyServiceStub(channel).WatchEpoch(
        policy_service_pb2.WatchEpochRequest(), timeout=30
    )
    next(iter(stream))
    return stream


def test_every_method_is_either_refused_to_a_newcomer_or_for_everybody(
    governd: StartGovernd, spire: Spire
) -> None:
    served = {
        f"/{service.full_name}/{method.name}"
        for file in (policy_service_pb2, tool_service_pb2, identity_service_pb2)
        for service in file.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }
    assert served - OPEN == REFUSED.keys()
    web = Attested(governd(identity_section(spire) + listener(), listeners={}))
    for method, request in REFUSED.items():
        assert how_refused(web, method, request) == NOT_ISSUED, method


@pytest.mark.req("sa-4", part=True)
def test_a_newcomer_can_ask_who_it_is_and_wait_and_fetch_and_nothing_else(
    governd: StartGovernd, spire: Spire
) -> None:
    web = Attested(governd(identity_section(spire) + listener(facts=FACTS), listeners={}))
    answer = web.who_am_i()
    assert (answer.spiffe_id, answer.phase, answer.tenant) == ("", WAITING, "")
    assert answer.attestation == identity_service_pb2.ATTESTATION_UNSPECIFIED
    assert answer.reason == "no registration entry matches"
    assert dict(answer.facts) == {**FACTS, "listener": "web"}
    assert probe.check(web.socket, timeout=5) == probe.SERVING
    for method, request in FETCHED.items():
        found = how_refused(web, method, request)
        assert (found.code, found.reason) == (grpc.StatusCode.PERMISSION_DENIED, ""), method
    with web.channel() as channel:
        reflection = reflection_pb2.ServerReflectionRequest(list_services="")
        name = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
        assert list(raw(channel, name, reflection))
        health = raw(channel, "/grpc.health.v1.Health/Watch", health_pb2.HealthCheckRequest())
        assert next(health)
        health.cancel()
        unknown = raw(channel, "/SpiffeWorkloadAPI/FetchWITSVID", messages.X509SVIDRequest())
        assert refused(unknown).code is grpc.StatusCode.UNIMPLEMENTED
    assert callers(web.daemon) == {}, "nobody is known"


@pytest.mark.req("sa-4", part=True)
@pytest.mark.req("sa-1", part=True)
def test_who_waits_is_told_as_soon_as_there_is_an_entry_and_calls_work(
    governd: StartGovernd, spire: Spire
) -> None:
    selector = "test:name:comes"
    web = Attested(governd(identity_section(spire) + listener(selectors=[selector]), listeners={}))
    with web.channel() as channel:
        stub = identity_service_pb2_grpc.IdentityServiceStub(channel)
        answers = stub.WaitReady(identity_service_pb2.WaitReadyRequest(), timeout=30)
        assert next(answers).phase == WAITING
        spire.server.create(Entry("/web", (selector,)))
        assert [one.phase for one in answers] == [READY]
        assert watch(channel).cancel()
    answer = web.who_am_i()
    assert (answer.spiffe_id, answer.phase) == (WEB, READY)
    assert answer.attestation == identity_service_pb2.ATTESTATION_SPIRE
    assert GoSpiffe(web.address).identities().ids == [WEB]
    found = callers(web.daemon)[WEB]
    assert (found.attestation, found.listener) == (answer.attestation, str(web.socket))
    assert component(web.daemon, "listeners").detail == "1 open, 1 caller known"
    assert status(web.daemon).listeners == 1


@pytest.mark.req("sa-6", part=True)
def test_when_the_entry_is_deleted_streams_end_and_calls_are_refused(
    governd: StartGovernd, spire: Spire
) -> None:
    selector = "test:name:goes"
    (entry,) = spire.server.create(Entry("/web", (selector,)))
    web = Attested(governd(identity_section(spire) + listener(selectors=[selector]), listeners={}))
    web.until_it_is(WEB)
    with web.channel() as channel:
        stream = watch(channel)
        spire.server.delete(entry)
        assert refused(stream) == UNVERIFIED
    assert web.who_am_i().spiffe_id == ""
    method = _POLICY + "WatchEpoch"
    assert how_refused(web, method, REFUSED[method]) == NOT_ISSUED


@pytest.mark.req("sa-6", part=True)
def test_when_the_id_is_another_one_the_old_ones_calls_end(
    governd: StartGovernd, spire: Spire
) -> None:
    selector = "test:name:changes"
    (entry,) = spire.server.create(Entry("/web", (selector,)))
    web = Attested(governd(identity_section(spire) + listener(selectors=[selector]), listeners={}))
    web.until_it_is(WEB)
    with web.channel() as channel:
        stream = watch(channel)
        spire.server.create(Entry("/api", (selector,)))
        until(lambda: set(web.ids) == {WEB, API})
        spire.server.delete(entry)
        assert refused(stream) == UNVERIFIED
        web.until_it_is(API)
        assert watch(channel).cancel(), "the same connection is the new one's"


@pytest.mark.req("sa-5", part=True)
def test_a_rotation_ends_nothing(governd: StartGovernd, spire: Spire) -> None:
    selector = "test:name:rotates"
    spire.server.create(Entry("/web", (selector,), ttl=6))
    web = Attested(governd(identity_section(spire) + listener(selectors=[selector]), listeners={}))
    web.until_it_is(WEB)
    before = web.status().svids[0].not_after.ToSeconds()
    with web.channel() as channel:
        stream = watch(channel)
        until(lambda: web.status().svids[0].not_after.ToSeconds() >= before + 6)
        assert stream.is_active()
        stream.cancel()


@pytest.mark.req("sa-4", part=True)
def test_the_template_stands_in_and_gives_way_to_spire(governd: StartGovernd, spire: Spire) -> None:
    selector = "test:name:template"
    settings = identity_section(spire, TEMPLATE) + listener(selectors=[selector], facts=FACTS)
    web = Attested(governd(settings, listeners={}))
    answer = web.until_it_is(STAND_IN)
    assert answer.attestation == identity_service_pb2.ATTESTATION_TEMPLATE
    assert answer.phase == READY
    assert web.status().attestation == answer.attestation
    assert callers(web.daemon)[STAND_IN].attestation == answer.attestation
    assert "path template /ns/{namespace}" in component(web.daemon, "identity").detail
    method = _API + "FetchX509SVID"
    found = how_refused(web, method, FETCHED[method])
    assert found.code is grpc.StatusCode.PERMISSION_DENIED, "there is no SVID"
    with web.channel() as channel:
        stream = watch(channel)
        (entry,) = spire.server.create(Entry("/web", (selector,)))
        assert refused(stream) == UNVERIFIED
    assert web.until_it_is(WEB).attestation == identity_service_pb2.ATTESTATION_SPIRE
    spire.server.delete(entry)
    web.until_it_is(STAND_IN)


@pytest.mark.req("r-1", part=True)
def test_attack_selectors_of_another_nodes_pod(governd: StartGovernd, spire: Spire) -> None:
    """An entry that is parented to another node's agent is not had here."""
    mine, theirs = "test:name:mine", "test:name:theirs"
    spire.server.create(Entry("/web", (mine,)), Entry("/api", (theirs,), parent="/other-node"))
    two = listener("mine", [mine]) + listener("theirs", [theirs])
    daemon = governd(identity_section(spire) + two, listeners={})
    Attested(daemon, "mine").until_it_is(WEB)  # so the agent has both, or neither
    theirs_here = Attested(daemon, "theirs")
    assert theirs_here.who_am_i().reason == "no registration entry matches"
    method = _API + "FetchX509SVID"
    found = how_refused(theirs_here, method, FETCHED[method])
    assert found.code is grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.req("avail-1", part=True)
@pytest.mark.req("sa-6", part=True)
def test_identities_outlast_the_agent_to_their_end_and_come_back_with_it(
    governd: StartGovernd, start_spire: StartSpire
) -> None:
    spire = start_spire(
        entries=[*own_entries(), Entry("/web", (SHOP,)), Entry("/api", (ACCOUNT,), ttl=8)]
    )
    two = listener("long", [SHOP]) + listener("short", [ACCOUNT])
    late = listener("late", ["test:name:late"], FACTS)
    daemon = governd(identity_section(spire, TEMPLATE) + two + late, listeners={})
    long, short = Attested(daemon, "long"), Attested(daemon, "short")
    long.until_it_is(WEB)
    short.until_it_is(API)
    Attested(daemon, "late").until_it_is(STAND_IN)
    spire.agent.kill()
    Attested(daemon, "late").until_it_is("")  # nobody can say now that nothing matches
    with short.channel() as channel, long.channel() as other:
        stream, goes_on = watch(channel), watch(other)
        ends = short.status().svids[0].not_after.ToSeconds()
        assert refused(stream) == UNVERIFIED
        assert time.time() >= ends, "not before the end of its identity"
        method = _POLICY + "WatchEpoch"
        assert how_refused(short, method, REFUSED[method]) == AWAY
        assert "SPIRE agent is away" in long.who_am_i().reason
        spire.agent.start()
        short.until_it_is(API)
        assert goes_on.is_active(), "what had not ended was never disturbed"
        goes_on.cancel()


class TestWorkloadApi(WorkloadApiContract):
    """The contract of the Workload API, before a whole governd and a real SPIRE."""

    @pytest.fixture
    def workload(
        self, governd: StartGovernd, tmp_path: Path, spire: Spire, partner: SpireServer
    ) -> Iterator[OfSpire]:
        settings = identity_section(spire) + listener()
        daemon = governd(settings, listeners={}, policy=policy_of(tmp_path / "policy", POLICY))
        served = OfSpire(spire, partner, Attested(daemon))
        try:
            served.register(WEB)
            yield served
        finally:
            served.close()


def test_what_is_for_those_without_an_identity_is_served(
    governd: StartGovernd, spire: Spire
) -> None:
    daemon = governd(identity_section(spire) + listener("web", ["k8s:ns:nobody"]), listeners={})
    with Attested(daemon).channel() as channel:
        for method in OPEN - {OTHER}:
            call: Any = channel.stream_stream(method)(iter(()), timeout=10)
            try:
                list(call)
            except grpc.RpcError:
                assert call.code() is grpc.StatusCode.INVALID_ARGUMENT, method
