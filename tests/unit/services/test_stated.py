"""What an operator states of a subject is read as policy tests state it."""

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from governd._proto.governd.v1 import admin_service_pb2 as pb
from governd.application.agents import KnownLevel
from governd.application.known_agents import LevelOf, nobody_known
from governd.errors import RequestError
from governd.identity import SpiffeId
from governd.kya.level import Level
from governd.policy.delegated import PLAIN, Circumstances, DelegatedTools
from governd.policy.known_card import KnownCard
from governd.services import stated
from tests.policies import ALICE, EXPIRES, READER, SERVER, WRITER, acting


def read(request: pb.ExplainRequest, level_of: LevelOf = nobody_known) -> Circumstances:
    return stated.read(request, SpiffeId.parse(WRITER), level_of)


def signed(spiffe_id: SpiffeId) -> KnownLevel:
    assert str(spiffe_id) == WRITER
    return KnownLevel(Level.SIGNED, EXPIRES)


def test_nothing_stated_is_nothing() -> None:
    assert read(pb.ExplainRequest()) == PLAIN
    assert read(pb.ExplainRequest(kya_level=2)) == Circumstances(2)


def test_a_level_that_is_not_stated_is_as_it_is_known_now_and_0_is_stated() -> None:
    assert read(pb.ExplainRequest(), signed) == Circumstances(2, until=EXPIRES)
    assert read(pb.ExplainRequest(kya_level=0), signed) == PLAIN
    assert read(pb.ExplainRequest(kya_level=3), signed) == Circumstances(3)


def test_the_card_is_the_one_that_is_known_now_unless_no_level_is_stated_to_be() -> None:
    card = KnownCard("clerk")

    def registered(_: SpiffeId) -> KnownLevel:
        return KnownLevel(Level.BOUND, EXPIRES, card)

    assert read(pb.ExplainRequest(), registered) == Circumstances(1, until=EXPIRES, kya=card)
    assert read(pb.ExplainRequest(kya_level=3), registered) == Circumstances(3, kya=card)
    assert read(pb.ExplainRequest(kya_level=0), registered) == Circumstances(0)


@pytest.mark.parametrize(
    ("evidence", "stated_level", "level"),
    [("id_token", None, 2), ("acting_as", None, 0), ("id_token", 0, 0)],
)
def test_an_own_token_is_as_well_known_as_who_shows_it_unless_it_is_stated(
    evidence: str, stated_level: int | None, level: int
) -> None:
    delegation = pb.StatedDelegation(user=ALICE, evidence=[evidence], kya_level=stated_level)
    found = read(pb.ExplainRequest(delegation=delegation), signed)
    assert found.delegation is not None
    assert (found.kya_level, found.delegation.kya_level) == (2, level)


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
    assert (least.actors, least.granted) == ((SpiffeId.parse(WRITER),), None)


def test_what_an_access_token_grants_can_be_stated() -> None:
    message = pb.StatedDelegation(user=ALICE, evidence=["access_token"], granted=["b"])
    found = read(pb.ExplainRequest(delegation=message)).delegation
    assert found
    assert found.granted == frozenset("b")


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
