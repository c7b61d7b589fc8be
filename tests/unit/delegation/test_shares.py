"""Room that many share: nobody has more of it than is left for the others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governd.delegation.shares import Shares
from governd.identity import SpiffeId

WHO = [SpiffeId.parse(f"spiffe://example.org/{name}") for name in "abc"]


def taken(shares: Shares, who: SpiffeId, times: int = 1000) -> int:
    """How much somebody gets who asks for all."""
    return sum(shares.take(who) for _ in range(times))


@pytest.mark.req("r-3", part=True)
def test_attack_one_who_takes_all_that_there_is() -> None:
    shares = Shares(96)
    assert [taken(shares, who) for who in WHO] == [48, 24, 12]


def test_what_is_given_back_is_had_again() -> None:
    shares = Shares(4)
    assert [shares.take(WHO[0]) for _ in range(3)] == [True, True, False]
    shares.give_back(WHO[0])
    assert shares.take(WHO[0])
    for _ in range(2):
        shares.give_back(WHO[0])
    assert taken(shares, WHO[1]) == 2


def test_where_there_is_no_room_there_is_none_for_anybody() -> None:
    assert not Shares(0).take(WHO[0])


@given(st.lists(st.tuples(st.sampled_from(WHO), st.booleans()), max_size=60))
def test_there_is_never_more_than_there_is_room_for(asked: list[tuple[SpiffeId, bool]]) -> None:
    shares, held = Shares(8), dict.fromkeys(WHO, 0)
    for who, takes in asked:
        if takes:
            room = held[who] < 8 - sum(held.values())
            assert shares.take(who) is room
            held[who] += room
        elif held[who]:
            shares.give_back(who)
            held[who] -= 1
