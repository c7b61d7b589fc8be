"""What is counted of tools, and that nobody makes up series."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from governd.observability import tool_metrics
from governd.observability.tool_metrics import MAX_TOOLS, MAX_TOOLS_OF_SERVER, ToolMetrics

DECISIONS = "governd_tool_decisions_total"


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> ToolMetrics:
    return ToolMetrics(registry)


def decisions(registry: CollectorRegistry, tool: str, decision: str) -> float | None:
    server, _, name = tool.partition("/")
    labels = {"server": server, "tool": name, "decision": decision}
    return registry.get_sample_value(DECISIONS, labels)


@pytest.mark.req("ob-5", part=True)
def test_decisions_are_counted_by_tool(registry: CollectorRegistry, metrics: ToolMetrics) -> None:
    for allow in (True, True, False):
        metrics.decided("git/git_log", allow=allow)
    metrics.decided("git/a/b", allow=True)
    assert decisions(registry, "git/git_log", "allow") == 2
    assert decisions(registry, "git/git_log", "deny") == 1
    assert decisions(registry, "git/a/b", "allow") == 1


def test_tools_that_nobody_knows_share_one_series(
    registry: CollectorRegistry, metrics: ToolMetrics
) -> None:
    for _ in range(10):
        metrics.decided("", allow=False)
    assert decisions(registry, "other/other", "deny") == 10
    assert generate_latest(registry).count(b"governd_tool_decisions_total{") == 1


@pytest.mark.parametrize("name", ['git/x" } evil', "git/новый", "git/" + "x" * 200, "git/a b"])
def test_a_name_that_is_not_fit_for_a_label_is_none(
    registry: CollectorRegistry, metrics: ToolMetrics, name: str
) -> None:
    metrics.decided(name, allow=False)
    assert decisions(registry, "other/other", "deny") == 1


@pytest.mark.req("ob-2", part=True)
def test_a_server_with_any_number_of_tools_makes_a_bounded_number_of_series(
    registry: CollectorRegistry, metrics: ToolMetrics
) -> None:
    servers = MAX_TOOLS // MAX_TOOLS_OF_SERVER
    for number in range(MAX_TOOLS):
        for allow in (True, False, True):
            metrics.decided(f"git-{number % servers}/tool-{number}", allow=allow)
    for number in range(50):
        for allow in (True, False, True):
            metrics.decided(f"more/tool-{number}", allow=allow)
    assert generate_latest(registry).count(b"governd_tool_decisions_total{") == 2 * (MAX_TOOLS + 1)
    assert decisions(registry, "other/other", "allow") == 100
    metrics.decided("git-0/tool-0", allow=True)
    assert decisions(registry, "git-0/tool-0", "allow") == 3


@pytest.mark.req("ob-2", part=True)
def test_one_server_cannot_use_up_the_series_of_all_others(
    registry: CollectorRegistry, metrics: ToolMetrics
) -> None:
    for number in range(MAX_TOOLS + 50):
        metrics.decided(f"git/tool-{number}", allow=True)
    metrics.decided("mail/send", allow=True)
    assert decisions(registry, "mail/send", "allow") == 1
    assert decisions(registry, f"git/tool-{MAX_TOOLS_OF_SERVER - 1}", "allow") == 1
    assert decisions(registry, f"git/tool-{MAX_TOOLS_OF_SERVER}", "allow") is None
    assert decisions(registry, "other/other", "allow") == MAX_TOOLS + 50 - MAX_TOOLS_OF_SERVER


def test_a_known_tool_is_found_with_a_look_up_alone(
    metrics: ToolMetrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is on the way of every decision."""
    metrics.decided("git/git_log", allow=True)
    monkeypatch.setattr(tool_metrics, "_LABEL", None)
    metrics.decided("git/git_log", allow=True)


def test_lists_are_counted_by_what_became_of_their_entries(
    registry: CollectorRegistry, metrics: ToolMetrics
) -> None:
    metrics.filtered("tool", listed=10, shown=3, seconds=0.002)
    metrics.filtered("tool", listed=1, shown=1, seconds=0.002)
    name = "governd_filter_entries_total"
    assert registry.get_sample_value(name, {"kind": "tool", "result": "shown"}) == 4
    assert registry.get_sample_value(name, {"kind": "tool", "result": "hidden"}) == 7
    assert registry.get_sample_value("governd_filter_seconds_count") == 2
