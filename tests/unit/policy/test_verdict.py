"""A verdict holds between two limits of age, and its lease ends where it does."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governd.policy.decision import Decision, DecisionCode
from governd.policy.engine import decide, judge
from governd.policy.verdict import Verdict, between
from tests.policies import compiled, question

AGES = st.floats(0, 100)
PERMIT = Decision(DecisionCode.PERMITTED, ("a",), lease_seconds=10)


@pytest.mark.parametrize(
    ("age", "holds"), [(0, False), (5, False), (5.1, True), (20, True), (20.1, False)]
)
def test_it_holds_from_one_limit_to_the_next(age: float, holds: bool) -> None:
    assert Verdict(PERMIT, above=5, upto=20).holds(age) is holds


def test_without_limits_it_holds_at_any_age() -> None:
    verdict = between(PERMIT, (), 3.0)
    assert (verdict.above, verdict.upto) == (-math.inf, math.inf)


def test_a_lease_ends_where_the_verdict_does() -> None:
    verdict = Verdict(PERMIT, upto=20)
    assert verdict.at(5).lease_seconds == 10
    assert verdict.at(10) is PERMIT
    assert verdict.at(15).lease_seconds == 5
    assert verdict.at(20).lease_seconds == 0


def policies(limits: list[int]) -> str:
    return "".join(
        f'@id("p{number}") @max_staleness("{limit}s") permit (principal, action, resource);'
        for number, limit in enumerate(limits)
    )


@given(st.lists(st.integers(0, 50), max_size=4), AGES, AGES)
def test_while_it_holds_it_is_what_would_be_decided(
    limits: list[int], made_at: float, used_at: float
) -> None:
    policy = compiled(policies(limits))
    asked = question()
    verdict = judge(policy, asked, age_seconds=made_at, max_lease_seconds=9)
    assert verdict.holds(made_at)
    fresh = decide(policy, asked, age_seconds=used_at, max_lease_seconds=9)
    if verdict.holds(used_at):
        assert verdict.at(used_at) == fresh
        assert fresh.lease_seconds <= max(0, verdict.upto - used_at)
