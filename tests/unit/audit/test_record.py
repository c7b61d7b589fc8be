"""A record says who, what and why in one line of JSON, and no payload."""

import json
from dataclasses import replace

from governd.audit.record import DecisionRecord
from governd.identity import Attestation, Caller, SpiffeId

WRITER = SpiffeId.parse("spiffe://example.org/agent/writer")
RECORD = DecisionRecord(
    decision_id="d" * 32,
    time=1767268800.25,
    caller=Caller(WRITER, Attestation.STATIC, {"listener": "writer"}),
    subject=WRITER,
    asserted_by=None,
    action="tools/call",
    resource_type="tool",
    resource_id="git/read",
    arguments_digest="",
    allowed=True,
    code="PERMITTED",
    reasons=("a", "b"),
    obligations=("notify",),
    lease_seconds=2.5,
    shadow=("soon",),
    policy_digest="sha-256:0",
    bundle_version=7,
    epoch="boot-1",
    age_seconds=1.23456,
    latency_seconds=0.0000421,
)


def test_a_record_is_one_line_with_everything() -> None:
    line = RECORD.encode()
    assert b"\n" not in line
    assert json.loads(line) == {
        "format": 1,
        "decision_id": "d" * 32,
        "time": "2026-01-01T12:00:00.250000+00:00",
        "caller": str(WRITER),
        "attestation": "static",
        "subject": str(WRITER),
        "asserted_by": None,
        "action": "tools/call",
        "resource": {"type": "tool", "id": "git/read"},
        "arguments_digest": None,
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


def test_who_asserted_the_subject_and_the_trace_are_said() -> None:
    gateway = SpiffeId.parse("spiffe://example.org/gateway")
    record = replace(RECORD, asserted_by=gateway, trace_id="4b", span_id="00", arguments_digest="x")
    said = json.loads(record.encode())
    assert said["asserted_by"] == str(gateway)
    assert (said["trace_id"], said["span_id"], said["arguments_digest"]) == ("4b", "00", "x")


def test_a_name_cannot_forge_a_line() -> None:
    line = replace(RECORD, resource_id='x"}\n{"decision": true, "\u2028').encode()
    assert line.isascii()
    assert b"\n" not in line
    assert json.loads(line)["resource"]["id"] == 'x"}\n{"decision": true, "\u2028'
