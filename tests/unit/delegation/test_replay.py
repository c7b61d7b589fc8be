"""A token is good once, until nobody would take it any more; no room means no."""

import json
from datetime import timedelta

import pytest

from governd.delegation.acting_as import ActingAs
from governd.delegation.claims import read_claims
from governd.delegation.replay import Admission, UsedTokens
from tests.fakes.authority import NOON
from tests.fakes.forge import PLANNER, ROUTER, SIGNER, TOOLS, Forge
from tests.fakes.token_issuer import encode

FORGE = Forge()
END = NOON + timedelta(seconds=60)


def token(number: int, issuer: str = SIGNER, audience: str = TOOLS) -> ActingAs:
    claims = FORGE.claims(jti=encode(number.to_bytes(16)), iss=issuer, aud=audience)
    return read_claims(json.dumps(claims).encode())


@pytest.mark.req("r-3", part=True)
def test_attack_the_same_token_again() -> None:
    used = UsedTokens()
    assert used.admit(token(1), END, NOON) is Admission.FIRST
    assert used.admit(token(1), END, NOON) is Admission.REPLAYED
    assert used.admit(token(1), END, END) is Admission.REPLAYED


def test_a_token_id_is_its_issuers_own() -> None:
    used = UsedTokens()
    assert used.admit(token(1), END, NOON) is Admission.FIRST
    assert used.admit(token(1, issuer=f"{SIGNER}8"), END, NOON) is Admission.FIRST


def test_attack_filling_the_memory_to_have_something_forgotten() -> None:
    used = UsedTokens(4)
    for number in (1, 2):
        assert used.admit(token(number), END, NOON) is Admission.FIRST
    assert used.admit(token(3), END, NOON) is Admission.UNKNOWN
    assert used.admit(token(1), END, NOON) is Admission.REPLAYED


@pytest.mark.req("r-3", part=True)
def test_attack_a_receiver_that_fills_the_memory_of_the_others() -> None:
    used = UsedTokens(8)
    for number in range(100):
        used.admit(token(number, audience=PLANNER), END, NOON)
    assert used.admit(token(100, audience=PLANNER), END, NOON) is Admission.UNKNOWN
    for number, audience in enumerate((ROUTER, TOOLS), 101):
        assert used.admit(token(number, audience=audience), END, NOON) is Admission.FIRST


def test_what_has_ended_is_forgotten_and_leaves_its_room() -> None:
    used = UsedTokens(1)
    assert used.admit(token(1), END, NOON) is Admission.FIRST
    later = END + timedelta(seconds=1)
    assert used.admit(token(2), later + timedelta(seconds=1), later) is Admission.FIRST
