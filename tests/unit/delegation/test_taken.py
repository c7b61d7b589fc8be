"""Tokens that were taken: kept to their end, and never for longer than there is room."""

from dataclasses import replace
from datetime import timedelta

from governd.delegation.binding import BindingLevel
from governd.delegation.taken import TakenTokens
from governd.delegation.verification import Verified
from tests.fakes.authority import NOON
from tests.fakes.forge import PLANNER, Forge, verified, workload

FORGE = Forge()


def taken(digest: str, binding: BindingLevel = BindingLevel.BODY, lasts: int = 0) -> Verified:
    """What was taken; it lasts for some seconds more than the others."""
    found = verified(FORGE, FORGE.token())
    token = replace(found.token, expires_at=found.token.expires_at + lasts)
    return replace(found, digest=digest, binding=binding, token=token)


def test_how_tightly_it_was_tied_is_known_until_nobody_takes_it_any_more() -> None:
    tokens = TakenTokens()
    tokens.keep(taken("a"), NOON)
    assert (tokens.binding("a"), tokens.binding("b")) == (BindingLevel.BODY, None)
    tokens.keep(taken("b", BindingLevel.CALLER), NOON + timedelta(seconds=180))
    assert tokens.binding("a") is BindingLevel.BODY
    tokens.keep(taken("c"), NOON + timedelta(seconds=181))
    assert (tokens.binding("a"), tokens.binding("b")) == (None, None)
    assert tokens.binding("c") is BindingLevel.BODY


def test_one_that_lasts_long_keeps_no_other() -> None:
    tokens = TakenTokens()
    tokens.keep(taken("long", lasts=180), NOON)
    tokens.keep(taken("short"), NOON)
    tokens.keep(taken("next", lasts=180), NOON + timedelta(seconds=181))
    assert [tokens.binding(one) is not None for one in ("long", "short")] == [True, False]


def test_what_there_is_no_room_for_counts_as_not_taken() -> None:
    tokens = TakenTokens(4)
    for digest in ("a", "b", "c"):
        tokens.keep(taken(digest), NOON)
    assert [tokens.binding(one) is not None for one in "abc"] == [True, True, False]


def test_attack_a_receiver_that_takes_the_room_of_the_others() -> None:
    tokens = TakenTokens(8)
    for number in range(100):
        tokens.keep(taken(f"mine {number}"), NOON)
    other = taken("other")
    tokens.keep(replace(other, token=replace(other.token, audience=workload(PLANNER))), NOON)
    assert tokens.binding("other") is BindingLevel.BODY


def test_one_that_is_taken_again_when_a_clock_went_back_does_no_harm() -> None:
    tokens = TakenTokens()
    for _ in range(2):
        tokens.keep(taken("a"), NOON)
    tokens.keep(taken("b", lasts=180), NOON + timedelta(seconds=181))
    assert tokens.binding("a") is None
