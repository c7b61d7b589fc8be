"""The record of one decision.

One JSON object a line. Arguments appear as a digest only: payload stays out, and
secrets with it.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from governd.identity import Caller
from governd.policy.decision import Decision, PolicyInfo
from governd.policy.question import Question

FORMAT = 1


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """What is kept of a decision.

    Attributes:
        decision_id: Also in the answer.
        time: Seconds since the epoch.
        caller: Who asked, and how that was established.
        question: What was asked.
        decision: What was answered.
        policy: What decided.
        latency_seconds: From the parsed question to the decision.
        trace_id: Of the caller's trace; ``""`` for none.
        span_id: Of the caller's span; ``""`` for none.
    """

    decision_id: str
    time: float
    caller: Caller
    question: Question
    decision: Decision
    policy: PolicyInfo
    latency_seconds: float
    trace_id: str = ""
    span_id: str = ""

    def encode(self) -> bytes:
        """One line of JSON, without its line end."""
        question, decision = self.question, self.decision
        return json.dumps(
            {
                "format": FORMAT,
                "decision_id": self.decision_id,
                "time": datetime.fromtimestamp(self.time, UTC).isoformat(timespec="microseconds"),
                "caller": str(self.caller.spiffe_id),
                "attestation": self.caller.attestation.value,
                "subject": str(question.subject),
                "asserted_by": str(question.asserted_by) if question.asserted_by else None,
                "action": question.action,
                "resource": {"type": question.resource.type, "id": question.resource.id},
                "arguments_digest": question.arguments.digest or None,
                "decision": decision.allowed,
                "code": decision.code.name,
                "reasons": decision.reasons,
                "obligations": [obligation.type for obligation in decision.obligations],
                "policy": {
                    "digest": self.policy.digest,
                    "bundle_version": self.policy.bundle_version,
                    "epoch": self.policy.epoch,
                    "age_seconds": round(self.policy.age_seconds, 3),
                },
                "latency_us": round(self.latency_seconds * 1e6),
                "trace_id": self.trace_id or None,
                "span_id": self.span_id or None,
            },
            separators=(",", ":"),
        ).encode()
