"""Metrics, logs and states say what becomes of tokens and of their issuers, and never whose."""

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from governd.adapters.token_report import TokenReport
from governd.application.issuer_ports import CallOutcome
from governd.delegation.evidence_faults import (
    EvidenceError,
    EvidenceFault,
    EvidenceUnavailableError,
)
from governd.errors import (
    ConcurrencyLimitedError,
    DecisionLogError,
    GoverndError,
    IdentityError,
    IssuerUnavailableError,
    MintError,
    RequestError,
    TokenRefusedError,
    UpstreamUnknownError,
)
from governd.observability import logs
from governd.observability.token_metrics import TokenMetrics

pytestmark = pytest.mark.req("ob-2", part=True)

REFUSED = TokenRefusedError("act: missing", metadata={"rule": "act_missing"})


class Report:
    """A report, and what it told."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.metrics = TokenMetrics(self.registry)
        self.named = {"corp"}
        self.report = TokenReport(self.metrics, logs.get("test"), named=lambda: self.named)

    def count(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"governd_{name}", labels) or 0.0

    def up(self, server: str) -> float | None:
        labels = {"authorization_server": server}
        return self.registry.get_sample_value("governd_authorization_server_up", labels)


def test_tokens_that_are_handed_out_are_counted_by_whether_they_were_held() -> None:
    one = Report()
    one.report.handed("crm", 0.2, held=False)
    one.report.handed("crm", 0.001, held=True)
    one.report.handed("crm", 0.002, held=True)
    assert one.count("tokens_total", upstream="crm", result="new") == 1
    assert one.count("tokens_total", upstream="crm", result="held") == 2
    assert one.count("token_seconds_sum", result="held") == pytest.approx(0.003)


@pytest.mark.parametrize(
    ("result", "error"),
    [
        ("denied", MintError("x")),
        ("refused", REFUSED),
        ("evidence", EvidenceError(EvidenceFault.FORM, "x")),
        ("evidence", EvidenceUnavailableError("x")),
        ("invalid", RequestError("x")),
        ("invalid", UpstreamUnknownError("x")),
        ("limited", ConcurrencyLimitedError("x")),
        ("unavailable", IssuerUnavailableError("x")),
        ("unavailable", IdentityError("x")),
        ("unavailable", DecisionLogError("x")),
    ],
)
def test_those_that_are_not_are_counted_by_why(result: str, error: GoverndError) -> None:
    one = Report()
    one.report.not_handed("other", error)
    assert one.count("tokens_total", upstream="other", result=result) == 1


def test_what_came_of_asking_is_counted_and_what_breaks_a_rule_is_logged() -> None:
    one = Report()
    said = TokenRefusedError("x", metadata={"rule": "refused", "error": "invalid_target"})
    with capture_logs() as lines:
        one.report.issued("crm")
        one.report.not_issued("crm", REFUSED)
        one.report.not_issued("crm", said)
        one.report.not_issued("crm", IssuerUnavailableError("x"))
    for result in ("issued", "act_missing", "refused", "unavailable"):
        assert one.count("tokens_issued_total", upstream="crm", result=result) == 1
    assert [(line["result"], line["error"]) for line in lines] == [
        ("act_missing", "act: missing"),
        ("refused", "invalid_target"),
    ]
    assert {line["upstream"] for line in lines} == {"crm"}


def test_tokens_that_are_held_are_counted() -> None:
    one = Report()
    for tokens in (3, 2):
        one.report.holds(tokens)
    assert one.count("tokens_held") == 2


@pytest.mark.parametrize("outcome", CallOutcome)
def test_an_attempt_is_counted_and_says_how_its_server_is(outcome: CallOutcome) -> None:
    one = Report()
    assert (one.report.state("corp"), one.up("corp")) == ("unknown", None)
    one.report.asked("corp", outcome, 0.1)
    requests = {"authorization_server": "corp", "outcome": outcome.value}
    assert one.count("authorization_server_requests_total", **requests) == 1
    assert one.count("authorization_server_seconds_sum", authorization_server="corp") == 0.1
    answers = outcome in {CallOutcome.ANSWERED, CallOutcome.REFUSED}
    assert one.up("corp") == int(answers)
    assert one.report.state("corp").startswith("up" if answers else "down: it")


def test_a_server_s_way_down_and_back_is_logged_once() -> None:
    one = Report()
    with capture_logs() as lines:
        for outcome in (CallOutcome.AWAY, CallOutcome.AWAY, CallOutcome.ANSWERED):
            one.report.asked("corp", outcome, 0.1)
        one.report.described("corp")
        one.report.not_described("corp", "cannot be asked: ConnectError")
        one.report.described("corp")
    assert [line["event"] for line in lines] == [
        "authorization server is away",
        "authorization server is back",
        "authorization server is away",
        "authorization server is back",
    ]
    assert {line["issuer"] for line in lines} == {"corp"}
    assert lines[2]["error"] == "metadata: cannot be asked: ConnectError"


def test_a_server_that_policy_names_no_more_is_not_said_to_be_down() -> None:
    one = Report()
    one.report.asked("corp", CallOutcome.AWAY, 0.1)
    one.report.holds(0)
    assert one.up("corp") == 0
    one.named.clear()
    one.report.holds(0)
    assert (one.up("corp"), one.report.state("corp")) == (None, "unknown")


def test_pauses_are_logged() -> None:
    one = Report()
    with capture_logs() as lines:
        one.report.paused("corp")
        one.report.resumed("corp")
    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("authorization server is left alone", "warning"),
        ("authorization server is asked again", "info"),
    ]
