"""A token is good once, until nobody would take it any more; no room means no."""

from datetime import timedelta

import pytest

from governd.delegation.replay import Admission, UsedTokens
from governd.identity import SpiffeId
from tests.fakes.authority import NOON

ONE, OTHER = (SpiffeId.parse(f"spiffe://example.org/governd/signer/{n}") for n in "ab")
END = NOON + timedelta(seconds=60)


@pytest.mark.req("r-3", part=True)
def test_attack_the_same_token_again() -> None:
    used = UsedTokens()
    assert used.admit(ONE, "x", END, NOON) is Admission.FIRST
    assert used.admit(ONE, "x", END, NOON) is Admission.REPLAYED
    assert used.admit(ONE, "x", END, END) is Admission.REPLAYED


def test_a_token_id_is_its_issuers_own() -> None:
    used = UsedTokens()
    assert used.admit(ONE, "x", END, NOON) is Admission.FIRST
    assert used.admit(OTHER, "x", END, NOON) is Admission.FIRST


def test_attack_filling_the_memory_to_have_something_forgotten() -> None:
    used = UsedTokens(2)
    for name in "ab":
        assert used.admit(ONE, name, END, NOON) is Admission.FIRST
    assert used.admit(ONE, "c", END, NOON) is Admission.UNKNOWN
    assert used.admit(ONE, "a", END, NOON) is Admission.REPLAYED


def test_what_has_ended_is_forgotten() -> None:
    used = UsedTokens(1)
    assert used.admit(ONE, "a", END, NOON) is Admission.FIRST
    later = END + timedelta(seconds=1)
    assert used.admit(ONE, "b", later + timedelta(seconds=1), later) is Admission.FIRST
