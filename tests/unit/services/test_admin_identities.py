"""What AdminService says of identities: all that helps an operator, and never a key."""

from collections.abc import AsyncIterator, Iterator

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from governd._proto.governd.v1 import admin_service_pb2, identity_service_pb2
from governd.application.identity_list import IdentityList
from governd.application.occupant import Naming
from governd.errors import RequestError, SourceAwayError
from governd.identity.svid import Selector, Workload
from governd.services.admin_identities import AdminIdentities
from tests.fakes.identities import FakeIdentities
from tests.fakes.time import settle

WEB = Workload("web", (Selector.parse("k8s:sa:web"),), facts={"namespace": "shop"})
BANK = Workload("bank", (Selector.parse("k8s:sa:bank"),))


class Admin(FakeIdentities):
    """The operator's questions over a fake source."""

    def __init__(self) -> None:
        super().__init__()
        self.identities = AdminIdentities(
            IdentityList(self.keeper, Naming("example.org", spire=True))
        )

    def get(self, name: str) -> admin_service_pb2.IdentityStatus:
        return self.identities.get(admin_service_pb2.GetIdentityRequest(workload=name)).identity

    def list(self) -> list[admin_service_pb2.IdentityStatus]:
        return list(self.identities.list(admin_service_pb2.ListIdentitiesRequest()).identities)


@pytest.fixture
async def admin() -> AsyncIterator[Admin]:
    made = Admin()
    made.source.register("/web", "k8s:sa:web", federates_with=["example.com", "example.net"])
    made.keeper.open(WEB)
    made.keeper.open(BANK)
    await settle()
    yield made
    await made.keeper.close()


async def test_one_that_is_held_is_shown_with_all_that_is_known(admin: Admin) -> None:
    one = admin.get("web")
    assert (one.workload, one.phase, one.reason) == ("web", identity_service_pb2.PHASE_READY, "")
    assert one.spiffe_id == "spiffe://example.org/web"
    assert (one.attestation, one.source) == (identity_service_pb2.ATTESTATION_SPIRE, "fake")
    assert list(one.federates_with) == ["example.com", "example.net"]
    assert (list(one.selectors), dict(one.facts)) == (["k8s:sa:web"], {"namespace": "shop"})
    (svid,) = one.svids
    assert svid.spiffe_id == "spiffe://example.org/web"
    begins, turns, ends = (
        when.ToSeconds() for when in (svid.not_before, svid.next_rotation, svid.not_after)
    )
    assert begins < turns < ends == admin.time.wall + 60
    assert turns - begins == ends - turns


async def test_who_waits_is_listed_with_the_reason(admin: Admin) -> None:
    bank, web = admin.list()
    assert (bank.workload, web.workload) == ("bank", "web")
    assert bank.phase == identity_service_pb2.PHASE_WAITING
    assert bank.reason == "no registration entry matches"
    assert (bank.spiffe_id, len(bank.svids)) == ("", 0)


@pytest.mark.req("avail-1", part=True)
async def test_while_the_source_is_away_it_is_told_why_nothing_is_renewed(admin: Admin) -> None:
    admin.source.breaks(SourceAwayError("SPIRE agent is away"))
    await settle()
    one = admin.get("web")
    assert (one.phase, one.reason) == (identity_service_pb2.PHASE_READY, "SPIRE agent is away")
    assert one.svids


async def test_a_name_of_nobody_is_refused(admin: Admin) -> None:
    with pytest.raises(RequestError):
        admin.get("nobody")


@pytest.mark.req("r-2", part=True)
async def test_no_key_and_no_certificate_is_shown_to_an_operator(admin: Admin) -> None:
    (_, state) = admin.keeper.states()[0]
    (svid,) = state.svids
    shown = b"".join(one.SerializeToString() for one in admin.list())
    assert svid.key.reveal()[-32:] not in shown
    assert svid.chain[0][-32:] not in shown
    fields = list(_fields(admin_service_pb2.IdentityStatus.DESCRIPTOR))
    assert {field.name for field in fields} >= {"spiffe_id", "selectors"}
    assert not [field.name for field in fields if field.type == FieldDescriptor.TYPE_BYTES]


def _fields(message: Descriptor) -> Iterator[FieldDescriptor]:
    for field in message.fields:
        yield field
        if field.message_type is not None:
            yield from _fields(field.message_type)
