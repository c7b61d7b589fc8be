"""What happens to volumes shows in metrics and in the log."""

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import CapturingLogger

from governd.adapters.volume_report import VolumeReport
from governd.errors import RequestError, VolumeError
from governd.observability.csi_metrics import CsiMetrics
from tests.pod_volumes import UID, target, volume


class Report:
    """A report, and what it told."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.log = CapturingLogger()
        self.metrics = CsiMetrics(self.registry)
        self.report = VolumeReport(self.metrics, self.log)

    def count(self, result: str) -> float | None:
        return self.registry.get_sample_value("governd_csi_publishes_total", {"result": result})

    def unpublished(self, result: str) -> float | None:
        name = "governd_csi_unpublishes_total"
        return self.registry.get_sample_value(name, {"result": result})

    def logged(self) -> list[tuple[str, str]]:
        return [(call.method_name, call.args[0]) for call in self.log.calls]


@pytest.fixture
def told() -> Report:
    return Report()


@pytest.mark.parametrize(
    ("result", "level"), [("opened", "info"), ("again", "debug"), ("repaired", "info")]
)
def test_a_publish_is_counted_and_logged(told: Report, result: str, level: str) -> None:
    told.report.published(volume(), result, 0.002)
    assert told.count(result) == 1
    assert told.logged() == [(level, "volume published")]
    assert told.registry.get_sample_value("governd_csi_publish_seconds_count") == 1


@pytest.mark.parametrize(
    ("error", "result"), [(RequestError("a: b"), "refused"), (VolumeError("a: b"), "failed")]
)
def test_a_refusal_is_counted_and_logged_on_one_line(
    told: Report, error: RequestError, result: str
) -> None:
    told.report.refused("csi\n" + "x" * 1000, None, error, 0.002)
    assert told.count(result) == 1
    (call,) = told.log.calls
    assert call.kwargs["result"] == result
    assert call.kwargs["error"] == "a: b"
    assert "\n" not in call.kwargs["volume"]
    assert len(call.kwargs["volume"]) < 200


def test_a_refusal_names_the_pod_by_its_target(told: Report) -> None:
    told.report.refused("csi-1", target(), RequestError("a: b"), 0.002)
    told.report.not_removed("csi-1", target(), VolumeError("a: b"))
    for call in told.log.calls:
        assert (call.kwargs["pod_uid"], call.kwargs["volume"]) == (UID, "governd")


@pytest.mark.parametrize(
    ("error", "result"), [(RequestError("a: b"), "refused"), (VolumeError("a: b"), "failed")]
)
def test_an_unpublish_that_is_refused_is_counted_and_logged(
    told: Report, error: RequestError, result: str
) -> None:
    told.report.not_removed("csi\n-1", None, error)
    assert told.unpublished(result) == 1
    (call,) = told.log.calls
    assert call.kwargs["volume"] == "csi?-1"


def test_every_unpublish_is_counted(told: Report) -> None:
    told.report.unpublished(target(), volume())
    told.report.unpublished(target(), None)
    results = ("removed", "unknown", "refused", "failed")
    assert [told.unpublished(result) for result in results] == [1, 1, 0, 0]


def test_every_result_is_there_from_the_beginning(told: Report) -> None:
    assert told.count("failed") == 0


def test_sockets_are_counted_when_scraped(told: Report) -> None:
    sockets = [1, 2]
    told.metrics.publish(lambda: len(sockets))
    assert told.registry.get_sample_value("governd_pod_sockets") == 2


def test_what_ends_is_logged_and_what_went_wrong_as_an_error(told: Report) -> None:
    error = VolumeError("volumes.json: is damaged")
    told.report.restored(2)
    told.report.unpublished(target(), volume())
    told.report.unpublished(target(), None)
    told.report.dropped(volume(), "its pod is gone")
    told.report.not_restored(volume(), error)
    told.report.refuted(volume())
    told.report.not_removed("csi-1", target(), error)
    told.report.not_read(error)
    told.report.not_kept(error)
    assert [level for level, _ in told.logged()] == [*["info"] * 4, "warning", *["error"] * 4]
