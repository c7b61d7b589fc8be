"""What AdminService takes and says of revocations."""

import pytest
from google.protobuf.duration_pb2 import Duration

from governd._proto.governd.v1 import admin_service_pb2
from governd.application.revocations import RevokedHere, Revoker
from governd.application.sync_policy import PolicyKeeper
from governd.delegation.revocation_list import Revocation
from governd.errors import GoverndError, RequestError
from governd.services.admin_revocations import AdminRevocations
from tests.fakes.decision_log import FakeDecisionLog
from tests.fakes.policy_compiler import FakePolicyCompiler
from tests.fakes.revocations import FakeRevocationStore
from tests.fakes.time import FakeTime

pytestmark = pytest.mark.req("gi-3", part=True)

DAY = 86_400
EACH = [
    {"user": "https://idp.example#alice"},
    {"spiffe_id": "spiffe://example.org/agent"},
    {"transaction": "txn-1"},
    {"token_id": "jti-1"},
]


class Nobody:
    """Is told, and says nothing."""

    def revoked(self, one: Revocation) -> None:
        """Is told."""

    def not_kept(self, error: GoverndError) -> None:
        """Is told."""


def admin() -> AdminRevocations:
    time = FakeTime()
    here = RevokedHere(FakeRevocationStore(), Nobody(), wall_clock=time.wall_clock)
    keeper = PolicyKeeper(
        None, FakePolicyCompiler(), clock=time.clock, on_load=lambda _: None, dress=here.dress
    )
    revoker = Revoker(keeper, here, FakeDecisionLog(), clock=time.clock, wall_clock=time.wall_clock)
    return AdminRevocations(revoker, here)


def request(seconds: float | None = None, /, **what: str) -> admin_service_pb2.RevokeRequest:
    message = admin_service_pb2.RevokeRequest(
        revoked=admin_service_pb2.Revoked(**what), reason="stolen"
    )
    if seconds is not None:
        message.lifetime.CopyFrom(Duration(seconds=int(seconds), nanos=int(seconds % 1 * 1e9)))
    return message


@pytest.mark.parametrize("what", EACH)
async def test_each_kind_of_thing_is_revoked_and_listed(what: dict[str, str]) -> None:
    one = admin()
    answer = await one.revoke(request(90.5, **what))
    assert answer.revocation.revoked == admin_service_pb2.Revoked(**what)
    assert answer.revocation.reason == "stolen"
    lasts = answer.revocation.until.ToNanoseconds() - answer.revocation.since.ToNanoseconds()
    assert lasts == 90_500_000_000
    listed = one.list(admin_service_pb2.ListRevocationsRequest())
    assert list(listed.revocations) == [answer.revocation]


async def test_it_lasts_a_day_unless_stated_and_the_latest_is_listed_first() -> None:
    one = admin()
    for what in EACH:
        answer = await one.revoke(request(**what))
        assert answer.revocation.until.seconds - answer.revocation.since.seconds == DAY
    listed = one.list(admin_service_pb2.ListRevocationsRequest()).revocations
    assert [item.revoked for item in listed] == [
        admin_service_pb2.Revoked(**what) for what in reversed(EACH)
    ]


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (request(), "revoked"),
        (request(user="alice"), "revoked.user"),
        (request(spiffe_id="x"), "revoked.spiffe_id"),
        (request(spiffe_id="spiffe://example.org"), "revoked.spiffe_id"),
        (request(transaction=""), "revoked.transaction"),
        (request(token_id="x" * 257), "revoked.token_id"),
        (request(0, token_id="x"), "lifetime"),
        (request(91 * DAY, token_id="x"), "lifetime"),
        (
            admin_service_pb2.RevokeRequest(
                revoked=admin_service_pb2.Revoked(token_id="x"), reason="a\nb"
            ),
            "reason",
        ),
    ],
)
async def test_what_is_malformed_is_refused_with_its_field(
    message: admin_service_pb2.RevokeRequest, field: str
) -> None:
    one = admin()
    with pytest.raises(RequestError) as raised:
        await one.revoke(message)
    assert raised.value.field == field
    assert not one.list(admin_service_pb2.ListRevocationsRequest()).revocations
