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
from governd.identity import Caller
from governd.observability.trace import TraceContext
from governd.policy.decision import Decision, DecisionCode, PolicyInfo
from governd.policy.engine import decide
from governd.policy.question import Question
from governd.policy.subject import check_subject


@dataclass(frozen=True, slots=True)
class Answer:
    """An answered question.

    Attributes:
        decision_id: Of its record.
        time: When it was decided, in seconds since the epoch.
        caller: Who asked.
        question: What was asked.
        decision: What was decided.
        policy: What decided.
        latency_seconds: From the parsed question to the decision.
        trace: The caller's trace context.
    """

    decision_id: str
    time: float
    caller: Caller
    question: Question
    decision: Decision
    policy: PolicyInfo
    latency_seconds: float
    trace: TraceContext | None = None

    def record(self) -> DecisionRecord:
        """What is kept of it."""
        question, decision, policy = self.question, self.decision, self.policy
        return DecisionRecord(
            decision_id=self.decision_id,
            time=self.time,
            caller=self.caller,
            subject=question.subject,
            asserted_by=question.asserted_by,
            action=question.action,
            resource_type=question.resource.type,
            resource_id=question.resource.id,
            arguments_digest=question.arguments.digest,
            allowed=decision.allowed,
            code=decision.code.name,
            reasons=decision.reasons,
            obligations=tuple(one.type for one in decision.obligations),
            lease_seconds=decision.lease_seconds,
            shadow=decision.shadow.reasons if decision.shadow else None,
            policy_digest=policy.digest,
            bundle_version=policy.bundle_version,
            epoch=policy.epoch,
            age_seconds=policy.age_seconds,
            latency_seconds=self.latency_seconds,
            trace_id=self.trace.trace_id if self.trace else "",
            span_id=self.trace.parent_span_id if self.trace else "",
        )


class DecisionObserver(Protocol):
    """Watches decisions, for metrics and logs."""

    def decided(self, answer: Answer) -> None:
        """A decision was made, put on record as far as possible, and is answered now."""


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
        return (await self.put_on_record([self.decide(call, question)]))[0]

    def decide(self, call: Call, question: Question) -> Answer:
        """Decides; what comes of it must be put on record before it is answered.

        Raises:
            SubjectError: The subject is not the caller's to name.
        """
        start = self._clock()
        state = self._keeper.state
        check_subject(state.policy, question)
        info = state.info(start)
        decision = Decision(DecisionCode.NO_POLICY)
        if state.policy is not None:
            decision = decide(
                state.policy,
                question,
                age_seconds=info.age_seconds,
                max_lease_seconds=self._max_lease,
            )
        return Answer(
            decision_id=secrets.token_hex(16),
            time=self._wall_clock(),
            caller=call.workload,
            question=question,
            decision=decision,
            policy=info,
            latency_seconds=self._clock() - start,
            trace=call.trace,
        )

    async def put_on_record(self, answers: Sequence[Answer]) -> Sequence[Answer]:
        """Writes decisions to the log; what is not on record is not permitted."""
        try:
            await self._log.append([answer.record().encode() for answer in answers])
        except DecisionLogError:
            answers = [self._without_log(answer) for answer in answers]
        for answer in answers:
            self._observer.decided(answer)
        return answers

    def _without_log(self, answer: Answer) -> Answer:
        decision = answer.decision
        if not decision.allowed or (self._unsafe and not decision.destructive):
            return answer
        refused = Decision(DecisionCode.LOG_UNAVAILABLE, destructive=decision.destructive)
        return replace(answer, decision=refused)
