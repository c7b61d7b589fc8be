"""A report is on record before it counts, as the word of who sent it."""

import json

import pytest

from governd.application.report import Reporter
from governd.audit.report import AnswerLatencies, LeaseUse, Outcome, Report
from governd.errors import DecisionLogError
from governd.identity import Attestation, Caller, SpiffeId
from tests.fakes.decision_log import FakeDecisionLog

CALLER = Caller(SpiffeId.parse("spiffe://example.org/agent/writer"), Attestation.STATIC)
FULL = Report(
    (Outcome("a" * 32, "failed", 1.5),),
    (LeaseUse("b" * 32, 7),),
    (AnswerLatencies("lease", (1,) * 16, 0.5),),
)


class Observer:
    def __init__(self) -> None:
        self.seen: list[Report] = []

    def reported(self, report: Report) -> None:
        self.seen.append(report)


@pytest.fixture
def log() -> FakeDecisionLog:
    return FakeDecisionLog()


@pytest.fixture
def observer() -> Observer:
    return Observer()


@pytest.fixture
def reporter(log: FakeDecisionLog, observer: Observer) -> Reporter:
    return Reporter(log, observer, wall_clock=lambda: 0.0)


async def test_every_outcome_and_lease_use_is_a_record(
    reporter: Reporter, log: FakeDecisionLog, observer: Observer
) -> None:
    await reporter.take(CALLER, FULL)
    outcome, use = map(json.loads, log.lines)
    assert outcome["kind"] == "outcome"
    assert (outcome["decision_id"], outcome["outcome"], outcome["seconds"]) == (
        "a" * 32,
        "failed",
        1.5,
    )
    assert (use["kind"], use["uses"], use["caller"]) == ("lease_use", 7, str(CALLER.spiffe_id))
    assert observer.seen == [FULL]


async def test_what_is_not_on_record_does_not_count_and_may_be_sent_again(
    reporter: Reporter, log: FakeDecisionLog, observer: Observer
) -> None:
    log.full = True
    with pytest.raises(DecisionLogError) as refused:
        await reporter.take(CALLER, FULL)
    assert refused.value.retry_after
    assert not observer.seen


async def test_latencies_alone_need_no_record(
    reporter: Reporter, log: FakeDecisionLog, observer: Observer
) -> None:
    log.full = True
    report = Report(latencies=FULL.latencies)
    await reporter.take(CALLER, report)
    assert observer.seen == [report]
