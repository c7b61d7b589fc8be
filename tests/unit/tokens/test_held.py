"""A held token is one caller's, for one user, and ends with the first thing it rests on."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governd.identity import SpiffeId
from governd.identity.secret import Secret
from governd.identity.user import User
from governd.tokens.check import AccessToken
from governd.tokens.digests import digest_of
from governd.tokens.held import Held, TokenKey, hold
from tests.fakes.issued_tokens import AGENT, ISSUER, NOW, OTHER, USER

ALICE = User(ISSUER, USER)
KEY = TokenKey(SpiffeId.parse(AGENT), "evidence", "crm", ("read",), "definition")
SECONDS = st.floats(-600, 86_400)


def token(seconds: float = 300) -> AccessToken:
    secret = Secret(b"token")
    return AccessToken(secret, digest_of(secret), NOW + seconds, ("read",), "token-1", USER)


def held(seconds: float = 300, *rests_on: float, jitter: float = 0.0) -> Held:
    return hold(token(seconds), ALICE, rests_on=rests_on, now=NOW, jitter=jitter)


@pytest.mark.parametrize(
    "changes",
    [
        {"caller": SpiffeId.parse(OTHER)},
        {"evidence": ""},
        {"evidence": "another"},
        {"upstream": "bank"},
        {"scopes": ("read", "write")},
        {"scopes": ()},
        {"definition": "changed"},
    ],
)
def test_attack_a_token_is_never_shared_by_who_differs_in_anything(changes: dict[str, Any]) -> None:
    assert KEY._replace(**changes) not in {KEY: held()}
    assert KEY._replace() in {KEY: held()}


@pytest.mark.parametrize(
    ("rests_on", "ends"),
    [((), 300), ((NOW + 60,), 60), ((NOW + 3600,), 300), ((NOW + 90, NOW + 30, math.inf), 30)],
)
def test_a_token_is_held_no_longer_than_what_it_rests_on(
    rests_on: tuple[float, ...], ends: float
) -> None:
    found = held(300, *rests_on)
    assert found.ends == NOW + ends
    assert found.counts(NOW)
    assert found.counts(NOW + ends - 0.001)
    assert not found.counts(NOW + ends)


@pytest.mark.parametrize(
    ("jitter", "share"), [(0.0, 210), (0.5, 225), (1.0, 240), (-3.0, 210), (7.0, 240)]
)
def test_a_token_is_asked_for_anew_at_70_to_80_percent_of_its_life(
    jitter: float, share: float
) -> None:
    found = held(jitter=jitter)
    assert found.refresh_at - NOW == pytest.approx(share)
    assert not found.is_due(found.refresh_at - 0.001)
    assert found.is_due(found.refresh_at)


@given(SECONDS, st.lists(SECONDS, max_size=3), st.floats(0, 1))
def test_a_token_is_always_asked_for_anew_before_it_ends(
    seconds: float, others: list[float], jitter: float
) -> None:
    found = held(seconds, *(NOW + one for one in others), jitter=jitter)
    assert found.ends == min([NOW + seconds, *(NOW + one for one in others)])
    assert found.refresh_at <= max(found.ends, NOW)
    assert found.is_due(found.ends) or not found.counts(NOW)


def test_what_rests_on_evidence_that_has_ended_is_never_handed_out() -> None:
    found = held(300, NOW - 1)
    assert not found.counts(NOW)
    assert found.refresh_at == NOW


def test_a_token_that_just_came_is_not_dropped_because_a_caller_says_so() -> None:
    assert held().is_young(NOW)
    assert held().is_young(NOW + 4.999)
    assert not held().is_young(NOW + 5)


def test_uses_are_counted_and_change_nothing_else() -> None:
    once = held().used()
    assert (held().uses, once.uses, once.used().uses) == (0, 1, 2)
    assert (once.token, once.user, once.ends) == (held().token, ALICE, held().ends)


def test_what_is_held_shows_no_token() -> None:
    assert "b'token'" not in repr(held())
    assert "Secret(***)" in repr(held())
