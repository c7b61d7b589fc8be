"""Answers questions: decides, puts the decision on record, and only then answers."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from governd.application.answer import Answer
from governd.application.call import Call
from governd.application.decision_lines import DecisionLines
from governd.application.known_agents import LevelOf, known, nobody_known
from governd.application.sync_policy import PolicyKeeper, PolicyState
from governd.audit.ports import DecisionLog
from governd.errors import DecisionLogError
from governd.observability.trace import TraceContext
from governd.policy.decision import Decision, DecisionCode
from governd.policy.engine import judge
from governd.policy.memo import Memo
from governd.policy.question import Question
from governd.policy.subject import check_subject

_ID_BLOCK = 64
_NO_POLICY = Decision(DecisionCode.NO_POLICY)
_EXPIRED = Decision(DecisionCode.EVIDENCE_EXPIRED)


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
        level_of: LevelOf = nobody_known,
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
            level_of: How well agents are known.
        """
        self._keeper = keeper
        self._log = log
        self._observer = observer
        self._clock = clock
        self._wall_clock = wall_clock
        self._max_lease = max_lease_seconds
        self._unsafe = unsafe_answer_without_log
        self._level_of = level_of
        self._memo = Memo()
        self._lines = DecisionLines()
        self._ids: list[str] = []

    async def evaluate(self, call: Call, question: Question) -> Answer:
        """Answers one question.

        Raises:
            SubjectError: The subject is not the caller's to name.
        """
        return (await self.put_on_record([self.decide(call, question)]))[0]

    def decide(self, call: Call, question: Question, trace: TraceContext | None = None) -> Answer:
        """Decides; what comes of it must be put on record before it is answered.

        Args:
            call: In which it is asked.
            question: What is asked.
            trace: The question's own trace context, where it has one.

        Raises:
            SubjectError: The subject is not the caller's to name.
        """
        start = self._clock()
        state = self._keeper.state
        check_subject(state.policy, question)
        info = state.info(start)
        question = self._known(question)
        decision = self._decision(state, question, start, info.age_seconds)
        return Answer(
            decision_id=self._next_id(),
            time=self._wall_clock(),
            caller=call.workload,
            question=question,
            decision=decision,
            policy=info,
            latency_seconds=self._clock() - start,
            trace=trace or call.trace,
        )

    def _known(self, question: Question) -> Question:
        found = known(question.subject, question.circumstances, self._level_of)
        if found is question.circumstances:
            return question
        return replace(question, circumstances=found)

    def _decision(
        self, state: PolicyState, question: Question, now: float, age_seconds: float
    ) -> Decision:
        if state.policy is None:
            return _NO_POLICY
        left = question.circumstances.ends - self._wall_clock()
        if left <= 0:
            return _EXPIRED
        verdict = self._memo.find(state.epoch, question, now=now, age_seconds=age_seconds)
        if verdict is None:
            verdict = judge(
                state.policy,
                question,
                age_seconds=age_seconds,
                max_lease_seconds=self._max_lease,
            )
            self._memo.keep(state.epoch, question, verdict, now=now)
        return verdict.at(age_seconds, left)

    def _next_id(self) -> str:
        """An id that nobody can guess; drawn in blocks, because each draw is a system call."""
        if not self._ids:
            block = secrets.token_hex(16 * _ID_BLOCK)
            self._ids = [block[i : i + 32] for i in range(0, len(block), 32)]
        return self._ids.pop()

    async def put_on_record(self, answers: Sequence[Answer]) -> Sequence[Answer]:
        """Writes decisions to the log; what is not on record is not permitted."""
        try:
            await self._log.append([self._lines.line(answer) for answer in answers])
        except DecisionLogError:
            answers = [self._without_log(answer) for answer in answers]
        for answer in answers:
            self._observer.decided(answer)
        return answers

    def _without_log(self, answer: Answer) -> Answer:
        decision = answer.decision
        if not decision.allowed:
            return answer
        if self._unsafe and not decision.destructive:
            # No record, no lease: one would stand for many uses.
            return replace(answer, decision=replace(decision, lease_seconds=0.0))
        refused = Decision(DecisionCode.LOG_UNAVAILABLE, destructive=decision.destructive)
        return replace(answer, decision=refused)
