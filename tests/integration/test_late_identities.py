"""A governd that starts before its SPIRE agent: everything that can answer does."""

import grpc
import pytest

from governd._proto.governd.v1 import identity_service_pb2, identity_service_pb2_grpc
from governd.cli import probe
from tests.integration.attested_daemon import (
    FACTS,
    TEMPLATE,
    Attested,
    callers,
    component,
    identity_section,
    listener,
    status,
    until,
)
from tests.integration.daemon_process import StartGovernd
from tests.integration.test_attested_listeners import AWAY, REFUSED, STAND_IN, how_refused
from tests.mtls_parts import authorities_of, own_entries, peer_channel, settings, svid_of
from tests.spire_parts import Entry, StartSpire
from tests.stock_clients import GoSpiffe

WEB, SHOP = "spiffe://example.org/web", "k8s:ns:shop"
PARTNERS = (
    '[[listener]]\nattestation = "mtls"\nname = "partners"\nsocket = "partners.sock"\n'
    'trust_domains = ["partner.example"]\n'
)


@pytest.mark.req("avail-1", part=True)
async def test_the_operator_is_told_what_mtls_waits_for_and_it_opens_later(
    governd: StartGovernd, start_spire: StartSpire
) -> None:
    spire = start_spire(entries=[*own_entries(), Entry("/web", (SHOP,))])
    spire.agent.kill()
    spire.agent.admin_socket.unlink(missing_ok=True)
    attested = listener("web", [SHOP])
    daemon = governd(settings(spire, more=attested), listeners={}, serving=False)
    part = component(daemon, "listeners")
    assert not part.ready
    assert part.detail.startswith("listener mtls waits: governd is not spiffe://example.org/gov")
    assert part.detail.endswith("; 1 open, 0 callers known")
    assert not (daemon.directory / "mtls.sock").exists()
    assert probe.check(daemon.admin_socket, timeout=5) != probe.SERVING
    web = Attested(daemon)
    assert "SPIRE agent is away" in web.who_am_i().reason
    method = "/governd.v1.PolicyService/Evaluate"
    assert how_refused(web, method, REFUSED[method]) == AWAY
    spire.agent.start()
    until(lambda: status(daemon).ready)
    web.until_it_is(WEB)
    mine = await svid_of(spire, SHOP)
    async with peer_channel(daemon, mine, await authorities_of(spire)) as channel:
        stub = identity_service_pb2_grpc.IdentityServiceStub(channel)
        answer = await stub.WhoAmI(identity_service_pb2.WhoAmIRequest(), timeout=10)
    assert answer.spiffe_id == WEB
    assert component(daemon, "listeners").detail == "2 open, 2 callers known"
    assert WEB in callers(daemon)
    assert status(daemon).listeners == 2


def test_a_listener_for_a_domain_without_a_trust_bundle_waits_and_the_rest_goes_on(
    governd: StartGovernd, start_spire: StartSpire
) -> None:
    spire = start_spire(entries=own_entries())
    daemon = governd(settings(spire, more=PARTNERS), listeners={}, serving=False)
    until((daemon.directory / "mtls.sock").exists)
    part = component(daemon, "listeners")
    assert not part.ready
    said, _, rest = part.detail.partition("; ")
    assert said == "listener partners waits: no trust bundle of partner.example is known"
    assert rest == "1 open, 0 callers known"
    partner = start_spire("partner.example")
    spire.server.federate(partner.server)
    spire.server.create(Entry("/web", (SHOP,), federates_with=("partner.example",)))
    until(lambda: status(daemon).ready)
    assert (daemon.directory / "partners.sock").exists()


def test_a_drain_ends_what_waits(governd: StartGovernd, start_spire: StartSpire) -> None:
    spire = start_spire(entries=own_entries())
    spire.agent.kill()
    daemon = governd(identity_section(spire) + listener() + PARTNERS, listeners={}, serving=False)
    with Attested(daemon).channel() as channel:
        stub = identity_service_pb2_grpc.IdentityServiceStub(channel)
        waits = stub.WaitReady(identity_service_pb2.WaitReadyRequest(), timeout=30)
        next(waits)
        assert daemon.stop() == 0
        with pytest.raises(grpc.RpcError):
            list(waits)
        assert waits.code() is grpc.StatusCode.UNAVAILABLE


def test_in_development_the_template_says_who_calls(governd: StartGovernd) -> None:
    daemon = governd(f"[identity]\n{TEMPLATE}{listener(facts=FACTS)}", listeners={})
    web = Attested(daemon)
    answer = web.until_it_is(STAND_IN)
    assert answer.attestation == identity_service_pb2.ATTESTATION_TEMPLATE
    assert (answer.phase, answer.reason) == (identity_service_pb2.PHASE_READY, "")
    assert web.ids == [STAND_IN], "the embedded authority issues it"
    assert GoSpiffe(web.address).identities().ids == [STAND_IN]
