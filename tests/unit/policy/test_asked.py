"""What is kept for each question is little, however many arguments and outcomes come."""

import math

import pytest

from governd.policy.asked import MAX_CONTEXT_CHARS, MAX_KEPT, Asked, Outcome
from governd.policy.decision import Decision, DecisionCode
from governd.policy.inquiry import translate
from governd.policy.verdict import Verdict
from tests.policies import PERMIT_ALL, compiled, question

VERDICT = Verdict(Decision(DecisionCode.NOT_PERMITTED), -math.inf, math.inf)


@pytest.fixture
def asked() -> Asked:
    return translate(compiled(PERMIT_ALL), question()).asked


def test_only_a_few_contexts_are_kept(asked: Asked) -> None:
    for number in range(10 * MAX_KEPT):
        asked.keep_seen(str(number), 0.0, VERDICT)
        assert asked.seen[str(number), 0.0] is VERDICT
        assert len(asked.seen) <= MAX_KEPT


def test_a_long_context_is_not_kept(asked: Asked) -> None:
    asked.keep_seen("x" * (MAX_CONTEXT_CHARS + 1), 0.0, VERDICT)
    assert not asked.seen


def test_only_a_few_outcomes_are_kept(asked: Asked) -> None:
    for number in range(10 * MAX_KEPT):
        outcome = Outcome(allowed=False, reasons=(str(number),))
        asked.keep_ruled((outcome, outcome, 0.0), VERDICT)
        assert asked.ruled[outcome, outcome, 0.0] is VERDICT
        assert len(asked.ruled) <= MAX_KEPT
