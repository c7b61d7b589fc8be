"""Loads of the policy source, as they are counted."""

import re

import structlog
from prometheus_client import CollectorRegistry

from governd.adapters.policy_report import PolicyReport
from governd.application.sync_policy import PolicyState
from governd.errors import Problem
from governd.observability import names
from governd.observability.metrics import Metrics


def test_a_load_has_no_outcome_but_those_documented_and_each_of_them_occurs() -> None:
    metrics = Metrics(CollectorRegistry(), version="test", actions=())
    told: list[str] = []
    report = PolicyReport(metrics, structlog.get_logger("test"), lambda: told.append("changed"))
    with structlog.testing.capture_logs():
        report.loaded(PolicyState(None, "e-1", 0.0))
        report.loaded(PolicyState(None, "e-2", 0.0, (Problem("manifest.toml", 1, "wrong"),)))
    outcomes = {
        sample.labels["outcome"]
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == names.POLICY_LOADS.name
    }
    assert outcomes == set(re.findall(r"`(\w+)`", names.POLICY_LOADS.labels["outcome"]))
    assert told == ["changed", "changed"]
