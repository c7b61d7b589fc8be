"""What happens to identities is counted, and told once."""

from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest
import structlog
from prometheus_client import CollectorRegistry

from governd.adapters.identity_report import IdentityReport
from governd.errors import (
    IdentityError,
    IdentityFaultError,
    InvalidIdentityError,
    NoIdentityError,
    NotDelegateError,
    SourceAwayError,
)
from governd.identity.svid import Workload, X509Svid
from governd.observability.identity_metrics import IdentityMetrics
from tests.fakes.identity_source import FakeIdentitySource
from tests.fakes.time import FakeTime

POD = Workload("pod")


class Reported:
    """A report, and what came of it."""

    def __init__(self, logs: list[MutableMapping[str, Any]]) -> None:
        self.logs = logs
        self.registry = CollectorRegistry()
        self.changes = 0
        self.report = IdentityReport(
            IdentityMetrics(self.registry), structlog.get_logger("identity"), self._changed
        )

    def _changed(self) -> None:
        self.changes += 1

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


@pytest.fixture
def reported() -> Iterator[Reported]:
    with structlog.testing.capture_logs() as logs:
        yield Reported(logs)


def svid(path: str = "/web") -> X509Svid:
    source = FakeIdentitySource(FakeTime().wall_clock)
    source.register(path, "k8s:ns:x")
    return source._entries[path].svid


def test_a_new_identity_is_counted_and_logged_without_its_key(reported: Reported) -> None:
    one = svid()
    reported.report.issued(POD, [one])
    assert reported.value("governd_identity_issued_total", result="issued") == 1
    (line,) = reported.logs
    assert line == {
        "event": "identity issued",
        "log_level": "info",
        "workload": "pod",
        "spiffe_ids": ["spiffe://example.org/web"],
    }
    assert reported.changes == 1


def test_a_renewed_one_is_counted_and_no_news(reported: Reported) -> None:
    reported.report.rotated(POD, [svid(), svid()])
    assert reported.value("governd_identity_rotations_total") == 2
    assert [line["log_level"] for line in reported.logs] == ["debug"]
    assert reported.changes == 0


def test_one_that_is_gone_is_told_with_the_reason(reported: Reported) -> None:
    reported.report.dropped(POD, [svid()], "revoked")
    (line,) = reported.logs
    assert (line["event"], line["why"]) == ("identity dropped", "revoked")
    assert reported.changes == 1


def test_the_wait_for_the_first_is_measured(reported: Reported) -> None:
    reported.report.ready(POD, 0.0123456789)
    assert reported.value("governd_identity_wait_seconds_count") == 1
    (line,) = reported.logs
    assert (line["log_level"], line["seconds"]) == ("debug", 0.012346)


@pytest.mark.parametrize(
    ("error", "result", "level"),
    [
        (SourceAwayError("away"), "away", "debug"),
        (NotDelegateError("no"), "refused", "debug"),
        (InvalidIdentityError("two URI SANs"), "invalid", "warning"),
        (NoIdentityError("no"), "not_issued", "warning"),
        (IdentityFaultError("a fault"), "fault", "warning"),
        (IdentityError("whatever"), "fault", "warning"),
    ],
)
@pytest.mark.req("sm-1", part=True)
def test_an_attempt_that_failed_is_counted_by_what_stopped_it(
    reported: Reported, error: IdentityError, result: str, level: str
) -> None:
    reported.report.failed(POD, error, again=False)
    reported.report.failed(POD, error, again=True)
    assert reported.value("governd_identity_issued_total", result=result) == 2
    assert [line["log_level"] for line in reported.logs] == [level], "told once"


@pytest.mark.req("avail-1", part=True)
def test_a_source_that_is_away_is_told_once_and_again_when_it_is_back(reported: Reported) -> None:
    away = SourceAwayError("SPIRE agent is away: there is no socket")
    reported.report.failed(None, away, again=False)
    reported.report.failed(None, away, again=True)
    reported.report.followed()
    assert [(line["log_level"], line["event"]) for line in reported.logs] == [
        ("error", "identities cannot be followed"),
        ("info", "identities are followed"),
    ]
    assert reported.logs[0]["error"] == str(away)
    assert reported.value("governd_identity_issued_total", result="away") == 0, "no workload's"
    assert reported.changes == 2
