"""What an operator sees of identities."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from governd.application.identity_list import IdentityList, next_rotation
from governd.application.keep_identities import IdentityKeeper, Phase
from governd.application.occupant import Naming
from governd.errors import RequestError
from governd.identity import Attestation
from governd.identity.path_template import PathTemplate
from governd.identity.svid import Selector, Workload
from tests.fakes.identities import FakeIdentities
from tests.fakes.identity_observer import RecordingObserver
from tests.fakes.identity_source import FakeIdentitySource
from tests.fakes.time import NOON, FakeTime, settle


@pytest.fixture
async def identities() -> AsyncIterator[IdentityList]:
    time = FakeTime()
    source = FakeIdentitySource(time.wall_clock)
    source.register("/web", "k8s:sa:web", lifetime=timedelta(minutes=10))
    keeper = IdentityKeeper(
        source,
        clock=time.clock,
        wall_clock=time.wall_clock,
        observer=RecordingObserver(),
        sleep=time.sleep,
    )
    for name in ("web", "bank"):
        keeper.open(Workload(name, (Selector("k8s", f"sa:{name}"),)))
    await settle()
    yield IdentityList(keeper, Naming("example.org", spire=True))
    await keeper.close()


async def test_every_workload_is_listed_by_name(identities: IdentityList) -> None:
    found = identities.all()
    assert [one.workload.name for one in found] == ["bank", "web"]
    assert {(one.attestation, one.source) for one in found} == {(Attestation.SPIRE, "fake")}
    assert [len(one.state.svids) for one in found] == [0, 1]


async def test_who_the_template_names_is_listed_as_it_is_told_itself(
    identities: IdentityList,
) -> None:
    assert [str(one.spiffe_id) for one in identities.all()] == ["None", "spiffe://example.org/web"]
    template = PathTemplate.parse("/sa/{account}")
    fakes = FakeIdentities()
    known = Workload("known", (Selector("k8s", "sa:x"),), facts={"account": "x"})
    for workload in (known, Workload("unknown", known.selectors)):
        fakes.keeper.open(workload)
    listed = IdentityList(fakes.keeper, Naming("example.org", spire=True, template=template))
    assert {one.state.phase for one in listed.all()} == {Phase.WAITING}, "no answer yet"
    await settle()
    first, second = listed.all()
    await fakes.keeper.close()
    assert (str(first.spiffe_id), first.state.phase, first.attestation) == (
        "spiffe://example.org/sa/x",
        Phase.READY,
        Attestation.TEMPLATE,
    )
    assert first.state.reason.endswith("there is no SVID: no registration entry matches")
    assert (second.spiffe_id, second.state.phase) == (None, Phase.WAITING)


async def test_one_is_found_by_its_name(identities: IdentityList) -> None:
    assert identities.one("web").state.svids[0].spiffe_id.path == "/web"


async def test_a_name_of_nobody_is_refused(identities: IdentityList) -> None:
    with pytest.raises(RequestError, match="expected the name of a workload") as refusal:
        identities.one("nobody")
    assert refusal.value.field == "workload"


async def test_the_next_rotation_is_at_half_of_the_lifetime(identities: IdentityList) -> None:
    (svid,) = identities.one("web").state.svids
    half = svid.not_before + (svid.not_after - svid.not_before) / 2
    assert next_rotation(svid) == half
    assert NOON < next_rotation(svid) < NOON + timedelta(minutes=5)
