"""What an operator hears of tools: each quarantine once, and never a flood."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from prometheus_client import CollectorRegistry

from governd.adapters.tool_report import MAX_LOGGED, ToolReport
from governd.application.keep_tools import RegistrationOutcome
from governd.errors import RegistrationsError
from governd.observability import logs
from governd.observability.tool_metrics import ToolMetrics
from governd.policy.decision import PolicyInfo
from governd.policy.definitions import Definition, Kind
from governd.policy.offered import NOTHING
from governd.policy.offering import Offering, offer
from governd.policy.registration import register
from tests.policies import compiled
from tests.tool_definitions import NOW, definition, registration, tool

POLICY = compiled()
EMPTY = Offering(NOTHING, {})
WRITE, CHANGED = tool("write", description="a"), tool("write", description="b")


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """What is logged, as programs read it."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    stream = io.StringIO()
    logs.configure("info", context=dict, stream=stream)
    yield stream
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def report(registry: CollectorRegistry, stream: io.StringIO) -> ToolReport:
    return ToolReport(ToolMetrics(registry), logs.get("tools"))


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def offering(first: list[Definition], second: list[Definition] | None = None) -> Offering:
    """What comes of one registration, or of two after each other."""
    held = registration(*first)
    if second is not None:
        held = register(held, held.spiffe_id, held.server, second, now=NOW + 1, accept_first=True)
    return offer(POLICY, [held])


def test_definitions_are_counted_by_kind_and_state(
    report: ToolReport, registry: CollectorRegistry
) -> None:
    prompt = definition(Kind.PROMPT, b'{"name": "ask"}')
    report.offered(EMPTY, offering([WRITE, tool("x")], [CHANGED, tool("x"), prompt]))
    found = {
        (kind, state): registry.get_sample_value(
            "governd_tools_registered", {"kind": kind, "state": state}
        )
        for kind in ("tool", "resource", "resource_template", "prompt")
        for state in ("active", "quarantined")
    }
    assert {labels for labels, count in found.items() if count} == {
        ("tool", "active"),
        ("tool", "quarantined"),
        ("prompt", "active"),
    }
    report.offered(EMPTY, EMPTY)
    labels = {"kind": "tool", "state": "quarantined"}
    assert registry.get_sample_value("governd_tools_registered", labels) == 0


def test_what_is_withdrawn_counts_only_while_it_is_quarantined(
    report: ToolReport, registry: CollectorRegistry
) -> None:
    held = registration(WRITE, tool("x"))
    for after in ([CHANGED, tool("x")], []):
        held = register(held, held.spiffe_id, held.server, after, now=NOW + 1, accept_first=True)
    report.offered(EMPTY, offer(POLICY, [held]))
    for state, count in (("active", 0), ("quarantined", 1)):
        labels = {"kind": "tool", "state": state}
        assert registry.get_sample_value("governd_tools_registered", labels) == count


@pytest.mark.req("gi-5", part=True)
def test_a_quarantine_is_a_warning_with_all_that_is_needed_to_look_at_it(
    report: ToolReport, stream: io.StringIO
) -> None:
    report.offered(offering([WRITE]), offering([WRITE], [CHANGED]))
    (line,) = lines(stream)
    assert (line["level"], line["event"]) == ("warning", "definition quarantined")
    assert (line["server"], line["kind"], line["name"]) == ("git", "tool", "write")
    assert (line["digest"], line["reasons"]) == (CHANGED.digest, ["CHANGED"])
    assert line["detail"]


def test_a_quarantine_that_goes_on_is_told_once_and_another_definition_again(
    report: ToolReport, stream: io.StringIO
) -> None:
    quarantined = offering([WRITE], [CHANGED])
    report.offered(quarantined, quarantined)
    assert lines(stream) == []
    report.offered(quarantined, offering([WRITE], [tool("write", description="c")]))
    assert len(lines(stream)) == 1


def test_a_flood_of_quarantined_definitions_is_no_flood_of_lines(
    report: ToolReport, stream: io.StringIO
) -> None:
    report.offered(EMPTY, offering([tool(f"odd {number}") for number in range(MAX_LOGGED + 10)]))
    told = lines(stream)
    assert len(told) == MAX_LOGGED + 1
    assert told[-1]["quarantined"] == MAX_LOGGED + 10


def test_a_long_name_is_cut(report: ToolReport, stream: io.StringIO) -> None:
    report.offered(EMPTY, offering([tool("n" * 1000)]))
    assert lines(stream)[0]["name"] == "n" * 128


def outcome(*, changed: bool) -> RegistrationOutcome:
    return RegistrationOutcome("git", 3, (), changed, PolicyInfo(epoch="e-2"))


def test_registrations_are_counted_by_result_and_logged_where_they_change_something(
    report: ToolReport, registry: CollectorRegistry, stream: io.StringIO
) -> None:
    report.registered(outcome(changed=True))
    report.registered(outcome(changed=False))
    report.refused()
    for result in ("taken", "unchanged", "refused"):
        labels = {"result": result}
        assert registry.get_sample_value("governd_tool_registrations_total", labels) == 1
    (line,) = lines(stream)
    assert (line["level"], line["event"]) == ("info", "tools registered")
    assert (line["server"], line["active"], line["quarantined"]) == ("git", 3, 0)
    assert line["epoch"] == "e-2"


def test_an_approval_is_logged_with_what_was_pinned_before(
    report: ToolReport, stream: io.StringIO
) -> None:
    (standing,) = offering([CHANGED]).standings.values()
    report.approved(standing, WRITE.digest)
    (line,) = lines(stream)
    assert (line["event"], line["name"]) == ("definition approved", "write")
    assert (line["digest"], line["pinned"]) == (CHANGED.digest, WRITE.digest)


def test_what_is_back_after_a_restart_is_told(report: ToolReport, stream: io.StringIO) -> None:
    report.loaded(3, 40)
    (line,) = lines(stream)
    assert (line["level"], line["event"]) == ("info", "registrations loaded")
    assert (line["servers"], line["pins"]) == (3, 40)


def test_a_disk_that_fails_is_an_error(report: ToolReport, stream: io.StringIO) -> None:
    report.not_kept(RegistrationsError("registrations: no space left"))
    (line,) = lines(stream)
    assert (line["level"], line["error"]) == ("error", "registrations: no space left")


def test_filtered_lists_are_counted(report: ToolReport, registry: CollectorRegistry) -> None:
    report.filtered(Kind.RESOURCE_TEMPLATE, 5, 2, 0.001)
    labels = {"kind": "resource_template", "result": "hidden"}
    assert registry.get_sample_value("governd_filter_entries_total", labels) == 3
