"""Nobody but governd gets one of governd's own identities, whatever real SPIRE issues."""

import time
from collections.abc import Iterator

import grpc
import pytest

from governd._proto.governd.v1 import identity_service_pb2
from governd.services.workload_stubs import messages
from tests.integration.attested_daemon import (
    ACCOUNT,
    SHOP,
    Attested,
    component,
    identity_section,
    listener,
    raw,
    until,
)
from tests.integration.daemon_process import StartGovernd
from tests.mtls_parts import own_entries
from tests.spire_parts import DELEGATE, Entry, Spire, StartSpire, spires

SERVER, SIGNER = "/governd/server/node-1", "/governd/signer/node-1"
WEB = "spiffe://example.org/web"
A, B, C = (f"spiffe://example.org/{letter}" for letter in "abc")
WAITING = identity_service_pb2.PHASE_WAITING
_FETCH = "/SpiffeWorkloadAPI/FetchX509SVID"
_TOKEN = "/SpiffeWorkloadAPI/FetchJWTSVID"


@pytest.fixture(scope="module")
def spire() -> Iterator[Spire]:
    with spires() as start:
        yield start(entries=own_entries())


@pytest.mark.req("sa-3", part=True)
@pytest.mark.parametrize("path", [DELEGATE, SERVER, SIGNER])
def test_attack_an_entry_that_gives_a_workload_governds_own_identity(
    governd: StartGovernd, spire: Spire, path: str
) -> None:
    """Neither the ID nor its key nor a token; nor another ID, since the entries are wrong."""
    own, other = f"k8s:ns:own{path.count('/')}{path[-8:-4]}", "k8s:sa:other"
    spire.server.create(Entry(path, (own,)))
    spire.server.create(Entry("/web", (own, other)))
    workload = Attested(
        governd(identity_section(spire) + listener("web", [own, other]), listeners={})
    )
    until(lambda: "is governd's own" in workload.who_am_i().reason)
    answer = workload.who_am_i()
    assert (answer.spiffe_id, answer.phase) == ("", WAITING)
    assert (workload.ids, workload.status().spiffe_id) == ([], "")
    for method, request in (
        (_FETCH, messages.X509SVIDRequest()),
        (_TOKEN, messages.JWTSVIDRequest(audience=["bank"])),
    ):
        with workload.channel() as channel, pytest.raises(grpc.RpcError) as refused:
            list(raw(channel, method, request))
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert component(workload.daemon, "identity").ready, "governd itself has them"


@pytest.mark.req("sa-3", part=True)
def test_a_governd_that_is_no_delegate_any_more_drops_all_though_nothing_happens(
    start_spire: StartSpire, governd: StartGovernd
) -> None:
    """An agent says so to new subscribers at once, to old ones at the next change alone."""
    spire = start_spire(entries=[*own_entries(), Entry("/web", (SHOP,))])
    web = Attested(governd(identity_section(spire) + listener("web", [SHOP]), listeners={}))
    web.until_it_is(WEB)
    spire.server.delete(*spire.server.ids_of(DELEGATE))
    web.until_it_is("")
    assert "no registration entry matches governd itself" in web.who_am_i().reason
    assert not component(web.daemon, "identity").ready


@pytest.mark.req("sa-5", part=True)
def test_attack_with_the_agent_away_the_end_of_an_identity_makes_nobody_another(
    start_spire: StartSpire, governd: StartGovernd
) -> None:
    spire = start_spire(entries=[*own_entries(), Entry("/b", (SHOP,), ttl=12)])
    settings = identity_section(spire) + listener("web", [SHOP, ACCOUNT])
    one = Attested(governd(settings, listeners={}))
    one.until_it_is(B)
    spire.server.create(Entry("/a", (ACCOUNT,)), Entry("/c", (ACCOUNT,)))
    until(lambda: len(one.ids) == 3)
    assert one.who_am_i().spiffe_id == B == one.ids[0], "others change nothing"
    spire.agent.kill()
    ends = one.status().svids[0].not_after.ToSeconds()
    one.until_it_is("")
    assert time.time() >= ends
    assert one.ids == [A, C], "held, and neither is who it is"
    assert (one.status().spiffe_id, one.status().phase) == ("", WAITING)
    assert "SPIRE agent is away" in one.who_am_i().reason
    spire.agent.start()
    one.until_it_is(B)
    spire.server.delete(*spire.server.ids_of("/b"))
    one.until_it_is(A)
