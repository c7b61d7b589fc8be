"""The record of one decision.

One JSON object a line. Arguments appear as a digest only: payload stays out, and
secrets with it.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from governd.identity import Caller, SpiffeId

FORMAT = 1
_ENCODER = json.JSONEncoder(separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """What is kept of a decision.

    Attributes:
        decision_id: Also in the answer.
        time: Seconds since the epoch.
        caller: Who asked, and how that was established.
        subject: Who it was about.
        asserted_by: The caller that named the subject; ``None`` where it asked about
            itself.
        action: What was asked for.
        resource_type: What it was to be done to.
        resource_id: Which one.
        arguments_digest: ``sha-256:<hex>`` of the arguments; ``""`` for none.
        allowed: The decision.
        code: Why, for programs.
        reasons: Ids of the determining policies.
        obligations: Types of what must be done along with a permit.
        lease_seconds: How long the answer may be reused; 0 for not at all.
        shadow: Policies that would have changed the decision if they were not in shadow
            mode; ``None`` where none would.
        policy_digest: Which policy decided.
        bundle_version: Its number.
        epoch: Of the decision.
        age_seconds: Of the policy.
        latency_seconds: From the parsed question to the decision.
        trace_id: Of the caller's trace; ``""`` for none.
        span_id: Of the caller's span; ``""`` for none.
    """

    decision_id: str
    time: float
    caller: Caller
    subject: SpiffeId
    asserted_by: SpiffeId | None
    action: str
    resource_type: str
    resource_id: str
    arguments_digest: str
    allowed: bool
    code: str
    reasons: tuple[str, ...]
    obligations: tuple[str, ...]
    lease_seconds: float
    shadow: tuple[str, ...] | None
    policy_digest: str
    bundle_version: int
    epoch: str
    age_seconds: float
    latency_seconds: float
    trace_id: str = ""
    span_id: str = ""

    def encode(self) -> bytes:
        """One line of JSON, without its line end."""
        return _ENCODER.encode(
            {
                "format": FORMAT,
                "decision_id": self.decision_id,
                "time": datetime.fromtimestamp(self.time, UTC).isoformat(timespec="microseconds"),
                "caller": str(self.caller.spiffe_id),
                "attestation": self.caller.attestation.value,
                "subject": str(self.subject),
                "asserted_by": str(self.asserted_by) if self.asserted_by else None,
                "action": self.action,
                "resource": {"type": self.resource_type, "id": self.resource_id},
                "arguments_digest": self.arguments_digest or None,
                "decision": self.allowed,
                "code": self.code,
                "reasons": self.reasons,
                "obligations": self.obligations,
                "lease_seconds": self.lease_seconds,
                "shadow": self.shadow,
                "policy": {
                    "digest": self.policy_digest,
                    "bundle_version": self.bundle_version,
                    "epoch": self.epoch,
                    "age_seconds": round(self.age_seconds, 3),
                },
                "latency_us": round(self.latency_seconds * 1e6),
                "trace_id": self.trace_id or None,
                "span_id": self.span_id or None,
            }
        ).encode()
