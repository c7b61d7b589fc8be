"""What is counted of identities, under which labels."""

import math

import pytest
from prometheus_client import CollectorRegistry

from governd.application.identity_state import Held
from governd.observability import identity_names
from governd.observability.identity_metrics import RESULTS, IdentityMetrics

NOTHING = Held(workloads=0, ready=0, svids=0, oldest=None, next_expiry=None)
SOME = Held(workloads=5, ready=3, svids=4, oldest=70.0, next_expiry=160.0)


class Scraped:
    """Metrics on a registry of their own, and what is held."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.metrics = IdentityMetrics(self.registry)
        self.held, self.up = NOTHING, False
        self.metrics.publish(
            "spire", held=lambda: self.held, up=lambda: self.up, wall_clock=lambda: 100.0
        )

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


@pytest.fixture
def scraped() -> Scraped:
    return Scraped()


def test_every_documented_metric_is_registered_and_nothing_else(scraped: Scraped) -> None:
    registered = {family.name for family in scraped.registry.collect()}
    documented = {metric.name.removesuffix("_total") for metric in identity_names.METRICS}
    assert registered == documented


@pytest.mark.req("sa-7", part=True)
def test_what_is_held_is_read_when_it_is_scraped(scraped: Scraped) -> None:
    scraped.held, scraped.up = SOME, True
    assert scraped.value("governd_identities_held", source="spire") == 4
    assert scraped.value("governd_identity_workloads", phase="ready") == 3
    assert scraped.value("governd_identity_workloads", phase="waiting") == 2
    assert scraped.value("governd_identity_next_expiry_seconds") == 60
    assert scraped.value("governd_identity_age_seconds") == 30
    assert scraped.value("governd_identity_source_up") == 1


def test_where_nothing_is_held_nothing_is_about_to_end(scraped: Scraped) -> None:
    assert scraped.value("governd_identity_next_expiry_seconds") == math.inf
    assert scraped.value("governd_identity_age_seconds") == 0
    assert scraped.value("governd_identity_source_up") == 0


@pytest.mark.req("sm-1", part=True)
def test_identities_that_came_and_attempts_that_failed_are_counted_apart(scraped: Scraped) -> None:
    for result in RESULTS:
        assert scraped.value("governd_identity_issued_total", result=result) == 0
    scraped.metrics.issued(2)
    scraped.metrics.rotated(3)
    scraped.metrics.failed("away")
    assert scraped.value("governd_identity_issued_total", result="issued") == 2
    assert scraped.value("governd_identity_issued_total", result="away") == 1
    assert scraped.value("governd_identity_rotations_total") == 3


@pytest.mark.req("perf-1", part=True)
def test_the_wait_for_a_first_identity_is_measured_around_its_target(scraped: Scraped) -> None:
    for seconds in (0.004, 0.09, 7.0):
        scraped.metrics.waited(seconds)
    bucket = "governd_identity_wait_seconds_bucket"
    assert scraped.value(bucket, le="0.005") == 1
    assert scraped.value(bucket, le="0.1") == 2
    assert scraped.value("governd_identity_wait_seconds_count") == 3
