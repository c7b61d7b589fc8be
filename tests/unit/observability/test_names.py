"""Every name once, and documented."""

import re
from pathlib import Path

from governd.observability import (
    agent_names,
    csi_names,
    delegation_names,
    evidence_names,
    identity_names,
    logs,
    names,
    page,
)
from governd.observability.log_keys import Key
from governd.observability.names import Kind

DOCUMENT = Path(__file__).parents[3] / "docs" / "metrics.md"
MODULES = (names, identity_names, csi_names, agent_names, delegation_names, evidence_names)
ALL = tuple(metric for module in MODULES for metric in module.METRICS)


def test_the_document_is_what_the_module_prints() -> None:
    assert DOCUMENT.read_text() == page.document(), "run `make generate`"


def test_every_metric_of_a_module_is_on_its_list() -> None:
    for module in MODULES:
        defined = [value for value in vars(module).values() if isinstance(value, names.Metric)]
        assert list(module.METRICS) == defined


def test_metric_names_follow_the_conventions() -> None:
    assert len({metric.name for metric in ALL}) == len(ALL)
    for metric in ALL:
        assert re.fullmatch(r"governd(_[a-z]+)+", metric.name)
        assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)
        assert bool(metric.buckets) == (metric.kind is Kind.HISTOGRAM)
        assert metric.help.endswith(".")


def test_no_label_names_a_caller_or_an_argument() -> None:
    labels = {label for metric in ALL for label in metric.labels}
    assert labels == {
        "action_class",
        "code",
        "decision",
        "grpc_code",
        "kind",
        "method",
        "operation",
        "outcome",
        "path",
        "phase",
        "reason",
        "result",
        "server",
        "setting",
        "source",
        "state",
        "tool",
        "version",
    }


def test_log_keys_are_words_with_a_meaning_and_none_looks_like_a_secret() -> None:
    for key in Key:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", key)
        assert key.meaning.endswith(".")
        assert logs.redact(None, "info", {str(key): "value"}) == {str(key): "value"}
