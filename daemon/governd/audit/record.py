"""Records of what was decided and of what became of it.

One JSON object a line, with ``kind`` saying what it is. Arguments appear as a digest only:
payload stays out, and secrets with it. Of a decision's record the parts that many have in
common are put together once: writing records is much of what a decision costs.
"""

import functools
import json
from collections.abc import Mapping
from datetime import UTC, datetime

FORMAT = 1
_JSON = json.JSONEncoder(separators=(",", ":")).encode
_CACHED_PARTS = 1024


def decision_record(
    decision_id: str,
    time: float,
    fixed: str,
    *,
    age_seconds: float,
    latency_seconds: float,
    trace: tuple[str, str] | None = None,
) -> bytes:
    """The record of one decision, without its line end.

    Args:
        decision_id: Also in the answer: hex digits.
        time: Seconds since the epoch.
        fixed: As ``fixed_part`` writes it.
        age_seconds: Of the policy.
        latency_seconds: From the parsed question to the decision.
        trace: Ids of the caller's trace and span, hex digits.
    """
    ids = f'"{trace[0]}","span_id":"{trace[1]}"' if trace else 'null,"span_id":null'
    return (
        f'{{"format":{FORMAT},"kind":"decision","decision_id":"{decision_id}",'
        f'"time":"{_timestamp(time)}",{fixed},"age_seconds":{age_seconds:.3f}}},'
        f'"latency_us":{latency_seconds * 1e6:.0f},"trace_id":{ids}}}'
    ).encode()


def fixed_part(asked: str, arguments_digest: str, acting: str, decided: str, policy: str) -> str:
    """All of a record that is the same when the same is asked and answered again.

    Args:
        asked: As ``asked_part`` writes it.
        arguments_digest: ``sha-256:<hex>`` of the arguments; ``""`` for none.
        acting: As ``acting_part`` writes it.
        decided: As ``decided_part`` writes it.
        policy: As ``policy_part`` writes it.
    """
    digest = f'"{arguments_digest}"' if arguments_digest else "null"
    return f'{asked},"arguments_digest":{digest},{acting},{decided},"policy":{{{policy}'


@functools.lru_cache(_CACHED_PARTS)
def asked_part(
    caller: str, attestation: str, asserted_by: str | None, names: tuple[str, str, str, str]
) -> str:
    """Who asked for what.

    Args:
        caller: SPIFFE ID of who asked.
        attestation: How that was established.
        asserted_by: The caller that named the subject; ``None`` where it asked about
            itself.
        names: SPIFFE ID of who it was about, what was asked for, type and id of what it
            was to be done to.
    """
    subject, action, resource_type, resource_id = names
    return _members(
        {
            "caller": caller,
            "attestation": attestation,
            "subject": subject,
            "asserted_by": asserted_by,
            "action": action,
            "resource": {"type": resource_type, "id": resource_id},
        }
    )


def acting_part(
    delegation: Mapping[str, object] | None,
    kya_level: int,
    token: Mapping[str, object] | None = None,
) -> str:
    """In whose name it was asked, how well the agent was known, and for which token.

    Args:
        delegation: Who acts for whom, and what proved it; ``None`` where nobody does.
        kya_level: Of the agent, 0 to 3.
        token: Of a question for one: upstream and scopes; left out of any other.
    """
    members: dict[str, object] = {"delegation": delegation, "kya_level": kya_level}
    return _members(members if token is None else {**members, "token": token})


@functools.lru_cache(_CACHED_PARTS)
def decided_part(
    *,
    allowed: bool,
    code: str,
    reasons: tuple[str, ...],
    obligations: tuple[str, ...],
    lease_seconds: float,
    shadow: tuple[str, ...] | None,
) -> str:
    """What was decided.

    Args:
        allowed: The decision.
        code: Why, for programs.
        reasons: Ids of the determining policies.
        obligations: Types of what must be done along with a permit.
        lease_seconds: How long the answer may be reused; 0 for not at all.
        shadow: Policies that would have changed the decision if they were not in shadow
            mode; ``None`` where none would.
    """
    return _members(
        {
            "decision": allowed,
            "code": code,
            "reasons": reasons,
            "obligations": obligations,
            "lease_seconds": lease_seconds,
            "shadow": shadow,
        }
    )


@functools.lru_cache(_CACHED_PARTS)
def policy_part(digest: str, bundle_version: int, epoch: str) -> str:
    """Which policy decided; its age differs from record to record."""
    return _members({"digest": digest, "bundle_version": bundle_version, "epoch": epoch})


def report_record(
    kind: str, *, time: float, caller: str, attestation: str, said: Mapping[str, object]
) -> bytes:
    """The record of what a caller reported, registered, approved or had filtered.

    Args:
        kind: ``outcome``, ``lease_use``, ``registration``, ``approval``, ``filter``, ``mint``,
            ``extend``, ``verify``, ``token``, ``agent_registration``, ``agent_approval`` or
            ``kya_attestation``.
        time: When it did so, in seconds since the epoch.
        caller: SPIFFE ID of who did so; of what it reported, only its word stands for it.
        attestation: How that was established.
        said: What it said.
    """
    members = {
        "format": FORMAT,
        "kind": kind,
        "time": _timestamp(time),
        "caller": caller,
        "attestation": attestation,
        **said,
    }
    return _JSON(members).encode()


def _members(value: Mapping[str, object]) -> str:
    """The members of an object, without its braces."""
    return _JSON(value)[1:-1]


def _timestamp(seconds: float) -> str:
    micros = round(seconds * 1e6)
    return f"{_second(micros // 1_000_000)}.{micros % 1_000_000:06d}+00:00"


@functools.lru_cache(2)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
