"""Answers questions: decides, puts the decision on record, and only then answers."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from governd.application.call import Call
from governd.application.sync_policy import PolicyKeeper
from governd.audit.ports import DecisionLog
from governd.audit.record import DecisionRecord
from governd.errors import DecisionLogError
from governd.policy.decision import Decision, DecisionCode, PolicyInfo
from governd.policy.engine import decide
from governd.policy.question import Question
from governd.policy.subject import check_subject


@dataclass(frozen=True, slots=True)
class Answer:
    """An answered question.

    Attributes:
        decision_id: Of its record.
        decision: What was decided.
        policy: What decided.
    """

    decision_id: str
    decision: Decision
    policy: PolicyInfo


class DecisionObserver(Protocol):
    """Watches decisions, for metrics and logs."""

    def decided(self, record: DecisionRecord) -> None:
        """A decision was made and put on record."""


class Evaluator:
    """The use case behind every door that asks for a decision."""

    def __init__(
        self,
        keeper: PolicyKeeper,
        log: DecisionLog,
        observer: DecisionObserver,
        *,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        max_lease_seconds: float,
        unsafe_answer_without_log: bool,
    ) -> None:
        """Takes its parts.

        Args:
            keeper: Holds the policy in force.
            log: Where decisions are put on record.
            observer: Told of each.
            clock: Monotonic seconds.
            wall_clock: Seconds since the epoch.
            max_lease_seconds: The longest that an answer may be reused.
            unsafe_answer_without_log: Answer questions about what is not destructive
                even if the log cannot be written.
        """
        self._keeper = keeper
        self._log = log
        self._observer = observer
        self._clock = clock
        self._wall_clock = wall_clock
        self._max_lease = max_lease_seconds
        self._unsafe = unsafe_answer_without_log

    async def evaluate(self, call: Call, question: Question) -> Answer:
        """Answers one question.

        Raises:
            SubjectError: The subject is not the caller's to name.
        """
        record = self.decide(call, question)
        return (await self.put_on_record([record]))[0]

    def decide(self, call: Call, question: Question) -> DecisionRecord:
        """Decides, without putting it on record yet.

        Raises:
            SubjectError: The subject is not the caller's to name.
        """
        start = self._clock()
        state = self._keeper.state
        check_subject(state.policy, question)
        info = state.info(start)
        if state.policy is None:
            decision = Decision(DecisionCode.NO_POLICY)
        else:
            decision = decide(
                state.policy,
                question,
                age_seconds=info.age_seconds,
                max_lease_seconds=self._max_lease,
            )
        return DecisionRecord(
            decision_id=secrets.token_hex(16),
            time=self._wall_clock(),
            caller=call.workload,
            question=question,
            decision=decision,
            policy=info,
            latency_seconds=self._clock() - start,
            trace_id=call.trace.trace_id if call.trace else "",
            span_id=call.trace.parent_span_id if call.trace else "",
        )

    async def put_on_record(self, records: Sequence[DecisionRecord]) -> list[Answer]:
        """Writes decisions to the log; what is not on record is not permitted."""
        try:
            await self._log.append([record.encode() for record in records])
            logged = True
        except DecisionLogError:
            logged = False
        final = records if logged else [self._without_log(record) for record in records]
        for record in final:
            self._observer.decided(record)
        return [Answer(record.decision_id, record.decision, record.policy) for record in final]

    def _without_log(self, record: DecisionRecord) -> DecisionRecord:
        decision = record.decision
        if not decision.allowed or (self._unsafe and not decision.destructive):
            return record
        refused = Decision(DecisionCode.LOG_UNAVAILABLE, destructive=decision.destructive)
        return replace(record, decision=refused)
