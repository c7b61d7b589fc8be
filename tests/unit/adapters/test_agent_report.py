"""Agents as metrics and log lines: each quarantine is told once, and no card is."""

from typing import Any

from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from governd.adapters.agent_report import MAX_LOGGED, AgentReport
from governd.errors import RegistrationsError
from governd.identity import SpiffeId
from governd.kya.registered_agent import RegisteredAgent
from governd.observability import logs
from governd.observability.agent_metrics import STATES, AgentMetrics
from tests.agent_cards import CALLER, World, card, signed, skill

FIRST = World().register(signed(card()))
SWAPPED = World().register(signed(card(skills=[skill("pay")])), previous=FIRST)


def report(registry: CollectorRegistry | None = None) -> AgentReport:
    return AgentReport(AgentMetrics(registry or CollectorRegistry()), logs.get("test"))


def told(before: dict[SpiffeId, RegisteredAgent], after: dict[SpiffeId, RegisteredAgent]) -> Any:
    with capture_logs() as lines:
        report().assessed(before, after)
    return lines


def test_a_quarantine_is_told_when_it_begins_and_not_again() -> None:
    (line,) = told({CALLER: FIRST}, {CALLER: SWAPPED})
    assert (line["subject"], line["reasons"]) == (str(CALLER), ["SKILLS_CHANGED", "CARD_CHANGED"])
    assert (line["digest"], line["pinned"]) == (SWAPPED.card.digest, FIRST.card.digest)
    assert told({CALLER: SWAPPED}, {CALLER: SWAPPED}) == []
    assert told({CALLER: SWAPPED}, {CALLER: FIRST}) == []


def test_many_quarantines_do_not_flood_the_log() -> None:
    many = {
        SpiffeId.parse(f"spiffe://example.org/a/{number}"): SWAPPED
        for number in range(MAX_LOGGED + 5)
    }
    assert len(told({}, many)) == MAX_LOGGED + 1


def test_what_becomes_of_registrations_is_counted() -> None:
    registry = CollectorRegistry()
    metrics = AgentMetrics(registry)
    metrics.publish(STATES.index)
    found = AgentReport(metrics, logs.get("test"))
    with capture_logs() as lines:
        found.loaded(1)
        found.registered(FIRST, changed=True)
        found.registered(FIRST, changed=False)
        found.refused()
        found.approved(SWAPPED, FIRST.card.digest)
        found.forgotten(SWAPPED)
        found.not_kept(RegistrationsError("full"))
        found.attested()
    assert [line["log_level"] for line in lines] == ["info"] * 4 + ["error"]
    assert "Plans things." not in str(lines)
    name = "governd_agent_registrations_total"
    for result in ("taken", "unchanged", "refused"):
        assert registry.get_sample_value(name, {"result": result}) == 1
    assert registry.get_sample_value("governd_attestations_total") == 1
    assert registry.get_sample_value("governd_agents", {"state": "attested"}) == 4
