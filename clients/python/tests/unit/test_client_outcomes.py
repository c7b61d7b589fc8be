"""What a client tells governd: bounded, counted once, and never in the way."""

import math
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest

from governd_client import InternalError, InvalidRequestError, Outcome, UnavailableError
from governd_client._proto.governd.v1 import policy_service_pb2
from governd_client.backoff import Backoff
from governd_client.errors import GoverndError
from governd_client.outcomes import (
    BOUNDS_SECONDS,
    MAX_OUTCOMES,
    MAX_PER_REPORT,
    MAX_USED,
    AnswerPath,
    Outcomes,
    outcome_of,
)
from governd_client.reports import Reports
from governd_client.statuses import from_status
from governd_client.testing import status_of

ID = "0123456789abcdef0123456789abcdef"


def reports_of(outcomes: Outcomes) -> list[policy_service_pb2.ReportOutcomeRequest]:
    return list(iter(outcomes.take, None))


def test_an_outcome_goes_out_as_it_was_told() -> None:
    outcomes = Outcomes()
    outcomes.add(outcome_of(ID, Outcome.FAILED, 1.5))
    outcomes.add(outcome_of(ID, Outcome.NOT_ATTEMPTED, None))
    [report] = reports_of(outcomes)
    first, second = report.outcomes
    assert (first.decision_id, first.code) == (ID, policy_service_pb2.OUTCOME_CODE_FAILED)
    assert first.duration.ToMilliseconds() == 1500
    assert not second.HasField("duration")


@pytest.mark.parametrize("duration", [-0.001, math.nan, math.inf, -math.inf])
def test_nan_and_negative_durations_are_refused(duration: float) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        outcome_of(ID, Outcome.SUCCEEDED, duration)
    assert raised.value.field == "duration"


@pytest.mark.parametrize("duration", [86_400.0, 86_400.1, 90_000.0, 1e12, 1e300])
def test_more_than_a_day_is_told_as_a_day(duration: float) -> None:
    written = outcome_of(ID, Outcome.SUCCEEDED, duration)
    assert written.duration.ToTimedelta() == timedelta(days=1)


def test_what_nobody_decided_has_no_outcome() -> None:
    with pytest.raises(InvalidRequestError):
        outcome_of("", Outcome.SUCCEEDED, None)


def test_a_report_has_256_entries_at_most_lease_uses_included() -> None:
    outcomes = Outcomes()
    for _ in range(300):
        outcomes.add(outcome_of(ID, Outcome.SUCCEEDED, None))
    for number in range(300):
        outcomes.used(f"{number:032x}")
    sizes = [(len(each.outcomes), len(each.lease_uses)) for each in reports_of(outcomes)]
    assert sizes == [(256, 0), (44, 212), (0, 88)]
    assert MAX_PER_REPORT == 256


def test_uses_of_one_decision_are_one_count() -> None:
    outcomes = Outcomes()
    for decision in (ID, ID[::-1], ID):
        outcomes.used(decision)
    [report] = reports_of(outcomes)
    assert {each.decision_id: each.uses for each in report.lease_uses} == {ID: 2, ID[::-1]: 1}


@pytest.mark.parametrize(
    ("seconds", "bucket"),
    [(0.0, 0), (1e-6, 0), (1.1e-6, 1), (500e-6, 8), (501e-6, 9), (0.1, 14), (0.11, 15), (60.0, 15)],
)
def test_a_latency_counts_in_the_first_bound_that_holds_it(seconds: float, bucket: int) -> None:
    outcomes = Outcomes()
    outcomes.latencies[AnswerPath.LEASE].add(seconds)
    [report] = reports_of(outcomes)
    [latencies] = report.latencies
    assert latencies.path == policy_service_pb2.ANSWER_PATH_LEASE
    assert list(latencies.counts) == [int(each == bucket) for each in range(16)]
    assert latencies.sum.ToNanoseconds() == round(seconds * 1e9)


def test_there_are_fifteen_growing_bounds() -> None:
    assert len(BOUNDS_SECONDS) == 15
    assert list(BOUNDS_SECONDS) == sorted(BOUNDS_SECONDS)
    assert (BOUNDS_SECONDS[0], BOUNDS_SECONDS[-1]) == (1e-6, 0.1)


def test_what_does_not_fit_is_dropped_and_counted() -> None:
    outcomes = Outcomes()
    for _ in range(MAX_OUTCOMES + 3):
        outcomes.add(outcome_of(ID, Outcome.SUCCEEDED, None))
    for number in range(MAX_USED + 2):
        outcomes.used(f"{number:032x}")
    outcomes.used(f"{0:032x}")
    assert outcomes.dropped == 5
    assert sum(len(each.outcomes) for each in reports_of(outcomes)) == MAX_OUTCOMES


def test_a_report_that_failed_is_held_again_whole_and_in_order() -> None:
    outcomes = Outcomes()
    for code in (Outcome.SUCCEEDED, Outcome.FAILED):
        outcomes.add(outcome_of(ID, code, None))
    outcomes.used(ID)
    outcomes.latencies[AnswerPath.UNARY].add(0.001)
    report = outcomes.take()
    assert report is not None
    assert not outcomes
    outcomes.used(ID)
    outcomes.latencies[AnswerPath.UNARY].add(0.001)
    outcomes.add(outcome_of(ID, Outcome.NOT_ATTEMPTED, None))
    outcomes.put_back(report)
    [again] = reports_of(outcomes)
    assert [each.code for each in again.outcomes] == [1, 2, 3]
    assert again.lease_uses[0].uses == 2
    assert sum(again.latencies[0].counts) == 2
    assert again.latencies[0].sum.ToMilliseconds() == 2


def test_a_report_that_finds_no_room_again_is_dropped_and_counted() -> None:
    outcomes = Outcomes()
    for _ in range(MAX_OUTCOMES):
        outcomes.add(outcome_of(ID, Outcome.SUCCEEDED, None))
    report = outcomes.take()
    assert report is not None
    for _ in range(100):
        outcomes.add(outcome_of(ID, Outcome.FAILED, None))
    outcomes.put_back(report)
    assert outcomes.dropped == 100


class Reporting:
    """Reports at a time that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0
        self.reports = Reports(threading.Lock(), lambda: self.now)

    def fill(self) -> policy_service_pb2.ReportOutcomeRequest:
        self.reports.outcomes.add(outcome_of(ID, Outcome.SUCCEEDED, None))
        report = self.reports.take()
        assert report is not None
        return report


@pytest.mark.parametrize("reason", ["DRAINING", "LOG_UNAVAILABLE"])
def test_a_log_that_is_away_gets_the_report_later(reason: str) -> None:
    it = Reporting()
    report = it.fill()
    it.reports.failed(report, from_status(status_of("UNAVAILABLE", reason)))
    assert it.reports.take() is None
    assert not it.reports.end()
    it.now = 5.0
    assert it.reports.take() == report


@pytest.mark.parametrize("error", [InvalidRequestError("no"), InternalError("no")])
def test_a_report_that_governd_refuses_is_not_sent_again(error: GoverndError) -> None:
    it = Reporting()
    it.reports.failed(it.fill(), error)
    it.now = 3600.0
    assert it.reports.take() is None
    assert it.reports.outcomes.dropped == 1


FAULT = ValueError("a fault of the port")
TOO_MANY = InvalidRequestError("outcomes: at most 100, not 256", field="outcomes")
Governd = Callable[[policy_service_pb2.ReportOutcomeRequest], GoverndError | None]


def entries(report: policy_service_pb2.ReportOutcomeRequest) -> list[str]:
    told = [each.decision_id for each in report.outcomes]
    return told + [each.decision_id for each in report.lease_uses]


def tell(it: Reporting, governd: Governd) -> list[policy_service_pb2.ReportOutcomeRequest]:
    """Reports until nothing is left; returns what governd took."""
    taken: list[policy_service_pb2.ReportOutcomeRequest] = []
    for _ in range(1000):
        if (report := it.reports.take()) is None:
            return taken
        error = governd(report)
        with it.reports.sending(report):
            if error is not None:
                raise error
            taken.append(report)
    pytest.fail("reporting comes to no end")


def numbered(it: Reporting, count: int) -> list[str]:
    """Gathers outcomes and uses of as many decisions; returns their ids."""
    ids = [f"{number:032x}" for number in range(count)]
    for number, each in enumerate(ids):
        if number % 2:
            it.reports.outcomes.used(each)
        else:
            it.reports.outcomes.add(outcome_of(each, Outcome.SUCCEEDED, None))
    it.reports.outcomes.latencies[AnswerPath.UNARY].add(0.001)
    return ids


@pytest.mark.parametrize("size", [1, 3, 100, 255])
def test_a_daemon_with_a_smaller_batch_size_gets_every_outcome_once(size: int) -> None:
    it = Reporting()
    ids = numbered(it, 300)
    asked: list[int] = []

    def governd(report: policy_service_pb2.ReportOutcomeRequest) -> GoverndError | None:
        asked.append(len(entries(report)))
        return TOO_MANY if len(entries(report)) > size else None

    taken = tell(it, governd)
    assert sorted(each for report in taken for each in entries(report)) == ids
    assert sum(len(report.latencies) for report in taken) == 1
    assert it.reports.outcomes.dropped == 0
    first = next(number for number, count in enumerate(asked) if count <= size)
    assert all(count <= size for count in asked[first:]), "what it takes is remembered"


@pytest.mark.parametrize("reason", ["MESSAGE_TOO_LARGE", ""])
def test_a_report_that_is_too_large_is_halved(reason: str) -> None:
    it = Reporting()
    ids = numbered(it, 300)
    error = from_status(status_of("RESOURCE_EXHAUSTED", reason))
    taken = tell(it, lambda report: error if report.ByteSize() > 1024 else None)
    assert sorted(each for report in taken for each in entries(report)) == ids


def test_the_entry_that_governd_names_is_dropped_alone() -> None:
    it = Reporting()
    ids = numbered(it, 40)
    bad = {ids[6], ids[9]}

    def governd(report: policy_service_pb2.ReportOutcomeRequest) -> GoverndError | None:
        fields = [(each.decision_id, f"outcomes[{n}]") for n, each in enumerate(report.outcomes)]
        fields += [
            (each.decision_id, f"lease_uses[{n}]") for n, each in enumerate(report.lease_uses)
        ]
        wrong = [field for decision_id, field in fields if decision_id in bad]
        return InvalidRequestError("no", field=f"{wrong[0]}.duration") if wrong else None

    [report] = tell(it, governd)
    assert sorted(entries(report)) == sorted(set(ids) - bad)
    assert len(report.latencies) == 1
    assert it.reports.outcomes.dropped == 2


def test_an_entry_that_governd_refuses_without_a_name_is_found_and_dropped_alone() -> None:
    it = Reporting()
    ids = numbered(it, 256)
    error = InvalidRequestError("no")
    taken = tell(it, lambda report: error if ids[77] in entries(report) else None)
    it.now = 5.0  # it took as many refusals as there may be without a pause
    taken += tell(it, lambda _: None)
    assert sorted(each for report in taken for each in entries(report)) == sorted(
        set(ids) - {ids[77]}
    )
    assert it.reports.outcomes.dropped == 1
    numbered(it, 256)
    assert [len(entries(each)) for each in tell(it, lambda _: None)] == [256]


@pytest.mark.parametrize("field", ["latencies", "latencies[0].counts", ""])
def test_latencies_that_governd_refuses_take_no_outcome_with_them(field: str) -> None:
    it = Reporting()
    ids = numbered(it, 3)
    error = InvalidRequestError("no", field=field)
    taken = tell(it, lambda report: error if report.latencies else None)
    assert sorted(each for report in taken for each in entries(report)) == ids
    assert it.reports.outcomes.dropped == 0


@pytest.mark.parametrize(
    "field", ["outcomes[300].code", "outcomes[-1].code", "outcomes[x]", "outcomes[99999]", "\0["]
)
def test_a_field_that_names_nothing_drops_nothing(field: str) -> None:
    it = Reporting()
    numbered(it, 256)
    report = it.reports.take()
    assert report is not None
    it.reports.failed(report, InvalidRequestError("no", field=field))
    assert it.reports.outcomes.dropped == 0
    assert len(entries(it.reports.take() or report)) == 128


def test_a_governd_that_refuses_everything_is_not_asked_without_a_pause() -> None:
    it = Reporting()
    numbered(it, 2000)
    asked = 0

    def governd(_: object) -> GoverndError:
        nonlocal asked
        asked += 1
        return InvalidRequestError("no")

    assert tell(it, governd) == []
    assert asked == 10
    it.now = 5.0
    tell(it, governd)
    assert asked == 20


@pytest.mark.parametrize("error", [KeyboardInterrupt(), FAULT])
def test_a_report_that_is_interrupted_is_held_again(error: BaseException) -> None:
    it = Reporting()
    report = it.fill()
    with pytest.raises(type(error)), it.reports.sending(report):
        raise error
    assert it.reports.take() == report


def test_a_reporter_that_fails_lets_another_begin() -> None:
    it = Reporting()
    it.reports.outcomes.used(ID)
    assert it.reports.begin()
    with pytest.raises(ValueError, match="fault"), it.reports.released():
        raise FAULT
    assert it.reports.begin()


def test_a_reporter_that_fails_after_giving_up_lets_nobody_begin() -> None:
    it = Reporting()
    it.reports.failed(it.fill(), from_status(status_of("UNIMPLEMENTED")))
    with pytest.raises(ValueError, match="fault"), it.reports.released():
        raise FAULT
    it.reports.outcomes.used(ID)
    assert not it.reports.begin()


def test_what_a_closed_client_still_holds_or_gets_back_is_dropped_and_counted() -> None:
    it = Reporting()
    numbered(it, 256)
    report = it.reports.take()
    assert report is not None
    numbered(it, 5)
    it.reports.close()
    assert it.reports.outcomes.dropped == 5
    it.reports.failed(report, UnavailableError("away"))
    assert it.reports.outcomes.dropped == 261
    numbered(it, 2)
    assert it.reports.outcomes.dropped == 263
    it.now = 3600.0
    assert it.reports.take() is None


def test_a_client_that_closes_reports_for_half_a_second_at_most() -> None:
    it = Reporting()
    report = it.fill()
    numbered(it, 2)
    with it.reports.sending(report) as terms:
        assert terms["timeout"] == 0.5
    it.reports.closing()
    it.now = 0.4
    with it.reports.sending(report) as terms:
        assert terms["timeout"] == pytest.approx(0.1)
    it.now = 0.5
    assert it.reports.take() is None
    it.reports.close()
    assert it.reports.outcomes.dropped == 2


def test_a_governd_that_takes_no_reports_is_not_asked_again() -> None:
    it = Reporting()
    it.reports.failed(it.fill(), from_status(status_of("UNIMPLEMENTED")))
    it.reports.outcomes.used(ID)
    it.now = 1e9
    assert it.reports.end()
    assert (it.reports.take(), it.reports.begin()) == (None, it.reports.running)


def test_reporting_begins_once_and_ends_when_there_is_nothing() -> None:
    it = Reporting()
    assert not it.reports.begin()
    it.reports.outcomes.used(ID)
    assert it.reports.begin()
    assert not it.reports.begin()
    assert not it.reports.end()
    it.reports.take()
    it.reports.worked()
    assert it.reports.end()
    it.reports.outcomes.used(ID)
    assert it.reports.begin()


def test_failures_in_a_row_double_the_pause_up_to_a_bound() -> None:
    backoff = Backoff(0.1, 0.3)
    now = 0.0
    for pause in (0.1, 0.2, 0.3, 0.3):
        backoff.failed(UnavailableError("away"), now)
        assert not backoff.ready(now + pause - 0.001)
        now += pause
        assert backoff.ready(now)
    backoff.worked()
    backoff.failed(UnavailableError("away"), now)
    assert backoff.ready(now + 0.1)


def test_governd_may_ask_for_a_longer_pause() -> None:
    backoff = Backoff(0.1, 0.3)
    backoff.failed(UnavailableError("away", retry_after=2.0), 0.0)
    assert not backoff.ready(1.999)
    assert backoff.ready(2.0)
