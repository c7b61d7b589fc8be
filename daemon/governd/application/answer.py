"""An answered question."""

from dataclasses import dataclass

from governd.identity import Caller
from governd.observability.trace import TraceContext
from governd.policy.decision import Decision, PolicyInfo
from governd.policy.question import Question


@dataclass(slots=True)
class Answer:
    """An answered question. Not to be changed: frozen it would cost twice as much.

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
