"""What is counted, under which labels."""

from collections.abc import Iterable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from governd.observability import names
from governd.observability.metrics import Metrics, only_metrics


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry(), version="1.2.3", actions=("tools/call", "tools/list"))


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_every_documented_metric_is_registered_and_nothing_else(metrics: Metrics) -> None:
    registered = {family.name for family in metrics.registry.collect()}
    assert registered == {metric.name.removesuffix("_total") for metric in names.METRICS}


def test_registries_are_apart(metrics: Metrics) -> None:
    other = Metrics(CollectorRegistry(), version="1.2.3", actions=())
    metrics.refused("RATE_LIMITED")
    assert value(other, "governd_refusals_total", reason="RATE_LIMITED") is None


def test_calls_are_counted_by_method_and_code(metrics: Metrics) -> None:
    for code in ("OK", "OK", "CANCELLED"):
        metrics.call_ended("/s/M", code, 0.002)
    assert value(metrics, "governd_calls_total", method="/s/M", grpc_code="OK") == 2
    assert value(metrics, "governd_calls_total", method="/s/M", grpc_code="CANCELLED") == 1
    assert value(metrics, "governd_call_duration_seconds_count", method="/s/M") == 3


def test_decisions_are_counted_by_outcome(metrics: Metrics) -> None:
    metrics.decided(allow=True, code="permitted", action="tools/call", seconds=0.00007)
    labels = {"decision": "allow", "code": "permitted", "action_class": "tools/call"}
    assert value(metrics, "governd_decisions_total", **labels) == 1
    bucket = "governd_decision_duration_seconds_bucket"
    assert value(metrics, bucket, le="5e-05") == 0
    assert value(metrics, bucket, le="0.0001") == 1


@pytest.mark.req("ob-2", part=True)
def test_actions_that_callers_make_up_share_one_series(metrics: Metrics) -> None:
    for number in range(1000):
        metrics.decided(allow=False, code="unknown_action", action=f"made/up{number}", seconds=0)
    labels = {"decision": "deny", "code": "unknown_action", "action_class": "other"}
    assert value(metrics, "governd_decisions_total", **labels) == 1000
    assert generate_latest(metrics.registry).count(b"governd_decisions_total{") == 1


def test_unsafe_settings_and_the_version_show(metrics: Metrics) -> None:
    metrics.unsafe_settings(["unsafe_answer_without_log"])
    metrics.policy_load("refused")
    labels = {"setting": "unsafe_answer_without_log"}
    assert value(metrics, "governd_unsafe_settings", **labels) == 1
    assert value(metrics, "governd_build_info", version="1.2.3") == 1
    assert value(metrics, "governd_policy_loads_total", outcome="refused") == 1


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/metrics", "200 OK"),
        ("/", "404 Not Found"),
        ("/metrics/", "404 Not Found"),
        ("", "404 Not Found"),
    ],
)
def test_only_one_path_is_served(path: str, status: str) -> None:
    seen: list[str] = []

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        return [b""]

    def start_response(line: str, headers: list[tuple[str, str]]) -> None:
        seen.append(line)

    list(only_metrics(application)({"PATH_INFO": path}, start_response))  # type: ignore[arg-type]
    assert seen == [status]
