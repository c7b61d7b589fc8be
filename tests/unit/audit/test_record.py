"""A record says who, what and why in one line of JSON, and no payload."""

import json
from typing import Any

from governd.audit.record import (
    acting_part,
    asked_part,
    decided_part,
    decision_record,
    fixed_part,
    policy_part,
    report_record,
)

WRITER = "spiffe://example.org/agent/writer"


def record(
    asserted_by: str | None = None,
    resource_id: str = "git/read",
    digest: str = "",
    trace: tuple[str, str] | None = None,
    acting: str = acting_part(None, 0),
) -> tuple[bytes, dict[str, Any]]:
    fixed = fixed_part(
        asked_part(WRITER, "static", asserted_by, (WRITER, "tools/call", "tool", resource_id)),
        digest,
        acting,
        decided_part(
            allowed=True,
            code="PERMITTED",
            reasons=("a", "b"),
            obligations=("notify",),
            lease_seconds=2.5,
            shadow=("soon",),
        ),
        policy_part("sha-256:0", 7, "boot-1"),
    )
    line = decision_record(
        "d" * 32,
        1767268800.25,
        fixed,
        age_seconds=1.23456,
        latency_seconds=0.0000421,
        trace=trace,
    )
    return line, json.loads(line)


def test_a_record_is_one_line_with_everything() -> None:
    line, said = record()
    assert b"\n" not in line
    assert said == {
        "format": 1,
        "kind": "decision",
        "decision_id": "d" * 32,
        "time": "2026-01-01T12:00:00.250000+00:00",
        "caller": WRITER,
        "attestation": "static",
        "subject": WRITER,
        "asserted_by": None,
        "action": "tools/call",
        "resource": {"type": "tool", "id": "git/read"},
        "arguments_digest": None,
        "delegation": None,
        "kya_level": 0,
        "decision": True,
        "code": "PERMITTED",
        "reasons": ["a", "b"],
        "obligations": ["notify"],
        "lease_seconds": 2.5,
        "shadow": ["soon"],
        "policy": {
            "digest": "sha-256:0",
            "bundle_version": 7,
            "epoch": "boot-1",
            "age_seconds": 1.235,
        },
        "latency_us": 42,
        "trace_id": None,
        "span_id": None,
    }


def test_a_record_says_in_whose_name_it_was_asked() -> None:
    _, said = record(acting=acting_part({"user": {"subject": 'a"b'}}, 2))
    assert (said["delegation"], said["kya_level"]) == ({"user": {"subject": 'a"b'}}, 2)


def test_who_asserted_the_subject_and_the_trace_are_said() -> None:
    _, said = record("spiffe://example.org/gateway", trace=("4b", "00"), digest="x")
    assert said["asserted_by"] == "spiffe://example.org/gateway"
    assert (said["trace_id"], said["span_id"], said["arguments_digest"]) == ("4b", "00", "x")


def test_a_name_cannot_forge_a_line() -> None:
    name = 'x"}\n{"decision": true, "\u2028'
    line, said = record(resource_id=name)
    assert line.isascii()
    assert b"\n" not in line
    assert said["resource"]["id"] == name


def test_a_report_is_its_callers_word() -> None:
    said = json.loads(
        report_record("lease_use", time=0.5, caller=WRITER, attestation="static", said={"uses": 3})
    )
    assert said == {
        "format": 1,
        "kind": "lease_use",
        "time": "1970-01-01T00:00:00.500000+00:00",
        "caller": WRITER,
        "attestation": "static",
        "uses": 3,
    }
