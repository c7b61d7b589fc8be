"""Decisions are counted by tool where policy or a registration knows it."""

import pytest
import structlog
from prometheus_client import CollectorRegistry

from governd.adapters.decision_report import DecisionReport
from governd.application.answer import Answer
from governd.identity import Attestation, Caller, SpiffeId
from governd.observability.metrics import Metrics
from governd.policy.decision import Decision, DecisionCode, PolicyInfo
from tests.policies import WRITER, question

CALLER = Caller(SpiffeId.parse(WRITER), Attestation.STATIC)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry(), version="1.2.3", actions=("tools/call",))


def decided(metrics: Metrics, code: DecisionCode, resource: str, action: str) -> None:
    asked = question(WRITER, action, resource)
    answer = Answer("0a" * 16, 0.0, CALLER, asked, Decision(code), PolicyInfo(), 0.0)
    DecisionReport(metrics, structlog.get_logger("test"), logged="none").decided(answer)


def count(metrics: Metrics, server: str, tool: str, decision: str) -> float | None:
    labels = {"server": server, "tool": tool, "decision": decision}
    return metrics.registry.get_sample_value("governd_tool_decisions_total", labels)


@pytest.mark.req("ob-5", part=True)
@pytest.mark.parametrize(
    ("code", "decision"),
    [
        (DecisionCode.PERMITTED, "allow"),
        (DecisionCode.FORBIDDEN, "deny"),
        (DecisionCode.QUARANTINED, "deny"),
        (DecisionCode.ARGUMENTS_MISMATCH, "deny"),
    ],
)
def test_calls_of_a_known_tool_are_counted_under_its_name(
    metrics: Metrics, code: DecisionCode, decision: str
) -> None:
    decided(metrics, code, "tool:git/read", "tools/call")
    assert count(metrics, "git", "read", decision) == 1


@pytest.mark.parametrize("code", [DecisionCode.UNKNOWN_RESOURCE, DecisionCode.NO_POLICY])
def test_calls_of_what_nobody_knows_are_counted_together(
    metrics: Metrics, code: DecisionCode
) -> None:
    decided(metrics, code, "tool:git/made-up", "tools/call")
    assert count(metrics, "git", "made-up", "deny") is None
    assert count(metrics, "other", "other", "deny") == 1


def test_what_is_no_call_of_a_tool_is_not_counted_as_one(metrics: Metrics) -> None:
    decided(metrics, DecisionCode.PERMITTED, "mcp_server:git", "tools/list")
    assert count(metrics, "other", "other", "allow") is None
