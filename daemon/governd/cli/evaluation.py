"""An answer of governd's, for people and for programs."""

from collections.abc import Iterator

from google.protobuf.duration_pb2 import Duration
from rich.console import RenderableType
from rich.text import Text

from governd._proto.governd.v1 import types_pb2
from governd.cli import output
from governd.cli.printable import clean

_MEANING = {
    "PERMITTED": "a permit applied and no forbid did",
    "FORBIDDEN": "a forbid applied, and forbid wins",
    "NOT_PERMITTED": "no permit applied; the default is to deny",
    "UNKNOWN_ACTION": "neither governd nor the policy declares this action",
    "UNKNOWN_RESOURCE": "the policy declares no such resource, server or tool",
    "ARGUMENTS_MISMATCH": "an argument has another type than the tool declares",
    "ENGINE_ERROR": "a policy failed while it was evaluated",
    "NO_POLICY": "no policy has been loaded; see 'governd status'",
    "POLICY_STALE": "the policy is older than its @max_staleness",
    "EVIDENCE_EXPIRED": "what proved for whom it acts, or how well it is known, has ended",
    "QUARANTINED": "its definition is quarantined; see 'governd tool diff'",
    "LOG_UNAVAILABLE": "the decision could not be put on record; see 'governd status'",
}


_SHOWN = len("sha-256:") + 12
"""As much of a digest as tells policies apart; JSON has all of it."""


def as_json(answer: types_pb2.Evaluation) -> dict[str, object]:
    """The answer under stable keys, which the help of ``evaluate`` names."""
    return {
        "decision": answer.decision,
        "code": code_name(answer.code),
        "reasons": list(answer.reasons),
        "obligations": [
            {"policy_id": one.policy_id, "type": one.type, "properties": dict(one.properties)}
            for one in answer.obligations
        ],
        "decision_id": answer.decision_id,
        "policy": policy_as_json(answer.policy),
        "lease_seconds": seconds(answer.lease.valid_for) if answer.HasField("lease") else None,
        "shadow": {"decision": answer.shadow.decision, "reasons": list(answer.shadow.reasons)}
        if answer.HasField("shadow")
        else None,
    }


def policy_as_json(policy: types_pb2.PolicyInfo) -> dict[str, object]:
    """Which policy it is, under stable keys."""
    return {
        "digest": policy.digest,
        "bundle_version": policy.bundle_version,
        "epoch": policy.epoch,
        "age_seconds": seconds(policy.age),
    }


def headline(answer: types_pb2.Evaluation) -> Text:
    """Allow or deny, the code and what it means."""
    code = code_name(answer.code)
    line = verdict(allowed=answer.decision)
    line.append(f"  {clean(code)}", style=output.STRONG)
    return line.append(f"  {_MEANING.get(code, '')}", style=output.DIM)


def rows(answer: types_pb2.Evaluation) -> Iterator[tuple[str, RenderableType]]:
    """What else an answer says, as facts."""
    if answer.reasons:
        yield "decided by", ", ".join(answer.reasons)
    for one in answer.obligations:
        details = ", ".join(f"{name}={value}" for name, value in sorted(one.properties.items()))
        yield "obligation", f"{one.type} ({one.policy_id}) {details}".rstrip()
    if answer.HasField("lease"):
        yield "reusable for", output.duration(seconds(answer.lease.valid_for))
    if answer.HasField("shadow"):
        outcome = verdict(allowed=answer.shadow.decision)
        by = f" by {', '.join(answer.shadow.reasons)}" if answer.shadow.reasons else ""
        yield "in shadow", outcome.append(clean(by))
    if answer.decision_id:
        yield "decision id", answer.decision_id
    yield "policy", policy_line(answer.policy)


def policy_line(policy: types_pb2.PolicyInfo) -> str:
    """Version, digest and age of a policy on one line."""
    if not policy.digest:
        return "none"
    age = output.duration(seconds(policy.age))
    return f"version {policy.bundle_version} ({policy.digest[:_SHOWN]}), verified {age} ago"


def verdict(*, allowed: bool) -> Text:
    """``allow`` or ``deny`` in its colour."""
    return Text("allow", output.GOOD) if allowed else Text("deny", output.BAD)


def code_name(code: types_pb2.DecisionCode.ValueType) -> str:
    """``FORBIDDEN`` and so on; a number that this version does not know as such."""
    try:
        name = types_pb2.DecisionCode.Name(code)
    except ValueError:
        return str(code)
    return name.removeprefix("DECISION_CODE_")


def seconds(value: Duration) -> float:
    """A duration as a number."""
    return round(value.seconds + value.nanos / 1e9, 6)
