"""A line says what its answer says, whatever was written before it."""

import gc
import json
from dataclasses import replace
from typing import Any

import pytest

from governd.application import decision_lines
from governd.application.answer import Answer
from governd.application.decision_lines import DecisionLines, _Kept
from governd.identity import Attestation, Caller, SpiffeId
from governd.policy.decision import Decision, DecisionCode, PolicyInfo, ShadowOutcome
from governd.policy.delegated import Circumstances, TokenWanted
from tests.policies import ALICE, BOB, READER, WRITER, acting, question

CALLER = Caller(SpiffeId.parse(WRITER), Attestation.STATIC)
TOKEN = TokenWanted("crm", ("read", "write"), for_user=True)
FIRST = Answer(
    decision_id="1" * 32,
    time=0.0,
    caller=CALLER,
    question=question(),
    decision=Decision(DecisionCode.PERMITTED, ("a",)),
    policy=PolicyInfo("d", 1, "e-1", 0.5),
    latency_seconds=0.001,
)
OTHERS = {
    "another question": replace(FIRST, question=question(resource="tool:git/read")),
    "other arguments": replace(FIRST, question=question(arguments={"text": "x"})),
    "another decision": replace(FIRST, decision=Decision(DecisionCode.FORBIDDEN, ("b",))),
    "a shadow": replace(
        FIRST,
        decision=Decision(
            DecisionCode.PERMITTED, ("a",), shadow=ShadowOutcome(allowed=False, reasons=("s",))
        ),
    ),
    "a user": replace(FIRST, question=question(circumstances=acting(ALICE))),
    "a level": replace(FIRST, question=question(circumstances=Circumstances(kya_level=1))),
    "a token": replace(FIRST, question=question(circumstances=Circumstances(token=TOKEN))),
    "another caller": replace(FIRST, caller=Caller(SpiffeId.parse(READER), Attestation.STATIC)),
    "another epoch": replace(FIRST, policy=PolicyInfo("d2", 2, "e-2", 0.5)),
    "another id, time, age and latency": replace(
        FIRST,
        decision_id="2" * 32,
        time=9.0,
        policy=PolicyInfo("d", 1, "e-1", 7.0),
        latency_seconds=0.5,
    ),
}


def test_a_line_says_which_token_was_asked_for() -> None:
    asked = question(circumstances=Circumstances(token=TOKEN))
    record = said(DecisionLines(), replace(FIRST, question=asked))
    assert record["token"] == {"upstream": "crm", "scopes": ["read", "write"]}
    assert "token" not in said(DecisionLines(), FIRST)


def said(lines: DecisionLines, answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(lines.line(answer))
    return found


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_what_was_written_before_does_not_show(other: Answer) -> None:
    used = DecisionLines()
    used.line(FIRST)
    assert said(used, other) == said(DecisionLines(), other) != said(used, FIRST)
    assert said(used, FIRST) == said(DecisionLines(), FIRST)


def test_a_line_for_one_user_is_never_written_for_another() -> None:
    lines = DecisionLines()
    for user in (ALICE, BOB, ALICE):
        asked = question(circumstances=acting(user, scopes=["b", "a"], own_level=1))
        record = said(lines, replace(FIRST, question=asked))
        assert record["kya_level"] == 1
        assert record["delegation"] == {
            "user": {"issuer": "https://idp.example", "subject": user.partition("#")[2]},
            "actors": [WRITER],
            "evidence": ["id_token"],
            "scopes": ["a", "b"],
            "binding": 0,
            "kya_level": 0,
            "expires": 1767268800,
        }


def test_hostile_arguments_are_not_kept_in_memory() -> None:
    lines = DecisionLines()
    asked = question(arguments={"text": ["x"] * 1000})
    lines.line(replace(FIRST, question=asked))
    holders = gc.get_referrers(asked)
    assert all(type(one) is not _Kept for one in holders)


def test_many_answers_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decision_lines, "MAX_CHARS", 10_000)
    lines = DecisionLines()
    for number in range(50):
        answer = replace(FIRST, question=question(arguments={"text": str(number)}))
        assert said(lines, answer) == said(DecisionLines(), answer)
    assert 1 < len(lines.__dict__["_kept"]) < 20
