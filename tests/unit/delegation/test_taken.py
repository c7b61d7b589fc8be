"""Tokens that were taken: kept to their end, and never for longer than there is room."""

from dataclasses import replace
from datetime import timedelta

from governd.delegation.binding import BindingLevel
from governd.delegation.taken import TakenTokens
from governd.delegation.verification import Verified
from tests.fakes.authority import NOON
from tests.fakes.forge import Forge, verified


def taken(digest: str, binding: BindingLevel = BindingLevel.BODY) -> Verified:
    forge = Forge()
    return replace(verified(forge, forge.token()), digest=digest, binding=binding)


def test_how_tightly_it_was_tied_is_known_until_nobody_takes_it_any_more() -> None:
    tokens = TakenTokens()
    tokens.keep(taken("a"), NOON)
    assert (tokens.binding("a"), tokens.binding("b")) == (BindingLevel.BODY, None)
    tokens.keep(taken("b", BindingLevel.CALLER), NOON + timedelta(seconds=180))
    assert tokens.binding("a") is BindingLevel.BODY
    tokens.keep(taken("c"), NOON + timedelta(seconds=181))
    assert (tokens.binding("a"), tokens.binding("b")) == (None, None)
    assert tokens.binding("c") is BindingLevel.BODY


def test_without_room_the_oldest_counts_as_not_taken() -> None:
    tokens = TakenTokens(2)
    for digest in ("a", "b", "c"):
        tokens.keep(taken(digest), NOON)
    assert [tokens.binding(one) is not None for one in "abc"] == [False, True, True]
