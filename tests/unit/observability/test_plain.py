"""What clients count is added as a whole, in the form that Prometheus knows."""

from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest

from governd.audit.report import LATENCY_BOUNDS, AnswerLatencies, LeaseUse, Outcome, Report
from governd.observability.metrics import Metrics

COUNTS = tuple(range(len(LATENCY_BOUNDS) + 1))
REPORT = Report(
    (Outcome("a" * 32, "failed"),),
    (LeaseUse("a" * 32, 7), LeaseUse("b" * 32, 3)),
    (AnswerLatencies("lease", COUNTS, 0.5),),
)


def test_reports_add_up() -> None:
    metrics = Metrics(CollectorRegistry(), version="x", actions=())
    metrics.reported(REPORT)
    metrics.reported(REPORT)
    name = "governd_client_answer_duration_seconds"

    def value(suffix: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(f"{name}_{suffix}", {"path": "lease", **labels})

    assert value("count") == 2 * sum(COUNTS)
    assert value("sum") == 1.0
    assert value("bucket", le="1e-06") == 0
    assert value("bucket", le="5e-06") == 2 * (0 + 1 + 2)
    assert value("bucket", le="+Inf") == 2 * sum(COUNTS)
    assert metrics.registry.get_sample_value("governd_lease_uses_total") == 20
    assert metrics.registry.get_sample_value("governd_outcomes_total", {"outcome": "failed"}) == 2
    assert b"# EOF" in generate_latest(metrics.registry)  # type: ignore[no-untyped-call]


def test_each_observation_falls_into_the_first_bucket_that_holds_it() -> None:
    metrics = Metrics(CollectorRegistry(), version="x", actions=("tools/call",))
    for seconds in (50e-6, 60e-6, 1.0):
        metrics.decided(allow=True, code="permitted", action="tools/call", seconds=seconds)
    name = "governd_decision_duration_seconds"

    def value(suffix: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(f"{name}_{suffix}", labels)

    assert (value("count"), value("sum")) == (3, 1.00011)
    assert value("bucket", le="5e-05") == 1
    assert value("bucket", le="0.0001") == 2
    assert value("bucket", le="+Inf") == 3
