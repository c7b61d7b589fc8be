"""Answers as lines of the decision log.

What is asked and answered again is the same line but for id, time, age and latency, so its
greater part is kept.
"""

from typing import NamedTuple

from governd.application.answer import Answer
from governd.application.delegation_said import said_of
from governd.audit.record import (
    acting_part,
    asked_part,
    decided_part,
    decision_record,
    fixed_part,
    policy_part,
)
from governd.identity import Caller, SpiffeId
from governd.policy.decision import Decision
from governd.policy.delegated import Circumstances
from governd.policy.question import Names, Question
from governd.policy.recent import Recent

MAX_CHARS = 2 << 20
"""Of all that is kept."""
_OVERHEAD_CHARS = 512

_Key = tuple[Names, str, SpiffeId | None, Circumstances]


class _Kept(NamedTuple):
    """The part of a line that stays, and what it was made of.

    By identity, and held, so that no other object can have it: what is remembered is the
    same object again.
    """

    decision: Decision
    caller: Caller
    epoch: str
    text: str


class DecisionLines:
    """Writes lines."""

    def __init__(self) -> None:
        """Keeps nothing yet."""
        self._kept: Recent[_Key, _Kept] = Recent(MAX_CHARS)

    def line(self, answer: Answer) -> bytes:
        """The record of an answer, without its line end."""
        question, decision, policy = answer.question, answer.decision, answer.policy
        digest, circumstances = question.arguments.digest, question.circumstances
        key = (question.names, digest, question.asserted_by, circumstances)
        kept = self._kept.get(key)
        if (
            kept is None
            or kept.decision is not decision
            or kept.caller is not answer.caller
            or kept.epoch != policy.epoch
        ):
            kept = self._keep(key, answer)
        trace = answer.trace
        return decision_record(
            answer.decision_id,
            answer.time,
            kept.text,
            age_seconds=policy.age_seconds,
            latency_seconds=answer.latency_seconds,
            trace=(trace.trace_id, trace.parent_span_id) if trace else None,
        )

    def _keep(self, key: _Key, answer: Answer) -> _Kept:
        policy = answer.policy
        text = fixed_part(
            _asked(answer.caller, answer.question),
            answer.question.arguments.digest,
            _acting(answer.question.circumstances),
            _decided(answer.decision),
            policy_part(policy.digest, policy.bundle_version, policy.epoch),
        )
        kept = _Kept(answer.decision, answer.caller, policy.epoch, text)
        self._kept.keep(key, kept, len(text) + _OVERHEAD_CHARS)
        return kept


def _asked(caller: Caller, question: Question) -> str:
    asserted_by = question.asserted_by
    return asked_part(
        str(caller.spiffe_id),
        caller.attestation.value,
        str(asserted_by) if asserted_by else None,
        question.names,
    )


def _acting(circumstances: Circumstances) -> str:
    delegation, wanted = said_of(circumstances.delegation), circumstances.token
    token = {"upstream": wanted.upstream, "scopes": wanted.scopes} if wanted else None
    return acting_part(delegation, circumstances.kya_level, token)


def _decided(decision: Decision) -> str:
    return decided_part(
        allowed=decision.allowed,
        code=decision.code.name,
        reasons=decision.reasons,
        obligations=tuple(one.type for one in decision.obligations),
        lease_seconds=decision.lease_seconds,
        shadow=decision.shadow.reasons if decision.shadow else None,
    )
