"""Volumes of pods as metrics and log lines."""

from structlog.typing import FilteringBoundLogger

from governd.errors import GoverndError, RequestError
from governd.observability.csi_metrics import CsiMetrics
from governd.pods.refusal import shown
from governd.pods.target import Target
from governd.pods.volume import Volume

_QUIET = "again"


class VolumeReport:
    """The volume observer port over metrics and the log."""

    def __init__(self, metrics: CsiMetrics, log: FilteringBoundLogger) -> None:
        """Takes both."""
        self._metrics = metrics
        self._log = log

    def published(self, volume: Volume, result: str, seconds: float) -> None:
        """Counts a publish; logs it unless it changed nothing, as most do."""
        self._metrics.published(result, seconds)
        tell = self._log.debug if result == _QUIET else self._log.info
        tell(
            "volume published",
            workload=volume.workload().name,
            result=result,
            seconds=round(seconds, 6),
        )

    def refused(
        self, volume_id: str, target: Target | None, error: GoverndError, seconds: float
    ) -> None:
        """Counts and logs a publish that was refused, or failed."""
        result = _result(error)
        self._metrics.published(result, seconds)
        self._log.warning("volume refused", result=result, **_named(volume_id, target, error))

    def unpublished(self, target: Target, volume: Volume | None) -> None:
        """Counts and logs that a target was cleared."""
        self._metrics.unpublished("unknown" if volume is None else "removed")
        if volume is None:
            self._log.info("unknown volume removed", pod_uid=target.uid, volume=target.volume)
        else:
            self._log.info("volume unpublished", workload=volume.workload().name)

    def not_removed(self, volume_id: str, target: Target | None, error: GoverndError) -> None:
        """Counts and logs an unpublish that was refused, or failed."""
        result = _result(error)
        self._metrics.unpublished(result)
        named = _named(volume_id, target, error)
        self._log.error("volume cannot be removed", result=result, **named)

    def restored(self, volumes: int) -> None:
        """Logs what is back after a restart."""
        self._log.info("volumes restored", volumes=volumes)

    def not_restored(self, volume: Volume, error: GoverndError) -> None:
        """Logs that a pod has to wait for kubelet."""
        self._log.warning(
            "volume cannot be restored, waiting for kubelet",
            workload=volume.workload().name,
            error=str(error),
        )

    def refuted(self, volume: Volume) -> None:
        """Logs that the list of volumes did not say the truth: an error, or an attack."""
        self._log.error("restored volume is not as kubelet says", workload=volume.workload().name)

    def dropped(self, volume: Volume, why: str) -> None:
        """Logs a volume that is given up."""
        self._log.info("volume dropped", workload=volume.workload().name, why=why)

    def not_read(self, error: GoverndError) -> None:
        """Logs that what was kept is lost."""
        self._log.error("volumes cannot be restored, waiting for kubelet", error=str(error))

    def not_kept(self, error: GoverndError) -> None:
        """Logs that a restart would lose volumes."""
        self._log.error("volumes cannot be kept over a restart", error=str(error))


def _result(error: GoverndError) -> str:
    return "refused" if isinstance(error, RequestError) else "failed"


def _named(volume_id: str, target: Target | None, error: GoverndError) -> dict[str, str]:
    """What was asked for, by its target if it has one, and what is wrong with it."""
    of_pod = {"pod_uid": target.uid, "volume": target.volume} if target else {}
    why = {"reason": error.reason, "error": str(error)}
    return {"volume": shown(volume_id), **of_pod, **why}
