"""Metrics and logs say what came of evidence, of issuers and of revocations, and never whose."""

from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from governd.adapters.evidence_report import EvidenceReport
from governd.delegation.evidence_faults import EvidenceFault
from governd.delegation.revocation_list import Kind, Target, revocation
from governd.errors import GoverndError
from governd.observability import logs
from governd.observability.evidence_metrics import EvidenceMetrics
from governd.policy.delegated import EvidenceKind

REVOCATION = revocation(Target(Kind.USER, "https://idp.example#alice"), now=1, seconds=60)


class Report:
    """A report, and what it told."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.metrics = EvidenceMetrics(self.registry)
        self.report = EvidenceReport(self.metrics, logs.get("test"))

    def count(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"governd_{name}", labels) or 0.0


def test_evidence_is_counted_by_kind_and_by_what_came_of_it() -> None:
    one = Report()
    one.report.verified(EvidenceKind.ID_TOKEN)
    with capture_logs() as lines:
        one.report.refused(EvidenceKind.ACCESS_TOKEN, EvidenceFault.AUDIENCE)
        one.report.refused(EvidenceKind.ACCESS_TOKEN, None)
    assert one.count("evidence_total", kind="id_token", result="verified") == 1
    assert one.count("evidence_total", kind="access_token", result="audience") == 1
    assert one.count("evidence_total", kind="access_token", result="unavailable") == 1
    assert [line["result"] for line in lines] == ["audience"]


def test_an_issuer_that_goes_away_and_comes_back_is_told_once_each() -> None:
    one = Report()
    with capture_logs() as lines:
        for _ in range(3):
            one.report.failed("corp", "answers 503")
        for _ in range(3):
            one.report.fetched("corp")
    assert [line["event"] for line in lines] == ["keys of issuer cannot be had", "issuer is back"]
    assert one.count("issuer_key_fetches_total", result="failed") == 3
    assert one.count("issuer_key_fetches_total", result="fetched") == 3


def test_a_revocation_is_counted_and_names_nobody_in_logs() -> None:
    one = Report()
    with capture_logs() as lines:
        one.report.revoked(REVOCATION)
        one.report.not_kept(GoverndError("full"))
    assert one.count("revocations_total", result="revoked") == 1
    assert one.count("revocations_total", result="not_kept") == 1
    assert "alice" not in str(lines)


def test_ages_and_numbers_are_read_when_they_are_scraped() -> None:
    one = Report()
    one.metrics.publish(oldest_keys=lambda: 7.0, revoked=lambda: 3)
    assert one.count("issuer_keys_age_seconds") == 7
    assert one.count("revoked") == 3
