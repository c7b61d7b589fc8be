"""What an operator states of a subject is read as policy tests state it."""

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from governd._proto.governd.v1 import admin_service_pb2 as pb
from governd.errors import RequestError
from governd.identity import SpiffeId
from governd.policy.delegated import PLAIN, Circumstances, DelegatedTools
from governd.services import stated
from tests.policies import ALICE, EXPIRES, READER, SERVER, WRITER, acting


def read(request: pb.ExplainRequest) -> Circumstances:
    return stated.read(request, SpiffeId.parse(WRITER))


def test_nothing_stated_is_nothing() -> None:
    assert read(pb.ExplainRequest()) == PLAIN
    assert read(pb.ExplainRequest(kya_level=2)) == Circumstances(2)


def test_everything_stated_is_taken() -> None:
    message = pb.StatedDelegation(
        user=ALICE,
        actors=[WRITER, READER],
        evidence=["acting_as"],
        scopes=["a"],
        details=[pb.StatedTools(actions=["call"], locations=[SERVER], tools=["open"])],
        binding=3,
        kya_level=1,
    )
    message.expires.FromSeconds(int(EXPIRES))
    assert read(pb.ExplainRequest(delegation=message, kya_level=2)) == acting(
        ALICE,
        *(WRITER, READER),
        own_level=2,
        evidence=["acting_as"],
        scopes=["a"],
        details=(DelegatedTools(frozenset({"call"}), frozenset({SERVER}), frozenset({"open"})),),
        binding=3,
        kya_level=1,
    )
    least = read(pb.ExplainRequest(delegation=pb.StatedDelegation(user=ALICE))).delegation
    assert least
    assert least.actors == (SpiffeId.parse(WRITER),)


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.ExplainRequest(kya_level=4), "kya_level"),
        (pb.ExplainRequest(delegation=pb.StatedDelegation()), "delegation.user"),
        (
            pb.ExplainRequest(delegation=pb.StatedDelegation(user=ALICE, evidence=["x"])),
            "delegation.evidence",
        ),
        (
            pb.ExplainRequest(delegation=pb.StatedDelegation(user=ALICE, binding=4)),
            "delegation.binding",
        ),
        (
            pb.ExplainRequest(
                delegation=pb.StatedDelegation(user=ALICE, expires=Timestamp(seconds=1 << 60))
            ),
            "delegation.expires",
        ),
    ],
)
def test_what_cannot_be_is_refused_by_name(request_: pb.ExplainRequest, field: str) -> None:
    with pytest.raises(RequestError) as raised:
        read(request_)
    assert raised.value.field == field
