"""The metrics of the CSI plugin (``csi_names``) as Prometheus objects."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from governd.observability import csi_names as names

RESULTS = ("opened", "again", "repaired", "refused", "failed")
"""Of a publish."""
UNPUBLISHED = ("removed", "unknown", "refused", "failed")
"""Of an unpublish."""


class CsiMetrics:
    """What is counted of volumes."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Registers these metrics."""
        publishes, unpublishes, duration, sockets = names.METRICS
        self._publishes = Counter(
            publishes.name, publishes.help, tuple(publishes.labels), registry=registry
        )
        for result in RESULTS:  # so that a rate can be taken of the first one, too
            self._publishes.labels(result)
        self._unpublishes = Counter(
            unpublishes.name, unpublishes.help, tuple(unpublishes.labels), registry=registry
        )
        for result in UNPUBLISHED:
            self._unpublishes.labels(result)
        self._duration = Histogram(
            duration.name, duration.help, registry=registry, buckets=duration.buckets
        )
        self._sockets = Gauge(sockets.name, sockets.help, registry=registry)

    def publish(self, sockets: Callable[[], int]) -> None:
        """Has the sockets counted whenever they are scraped, by any thread."""
        self._sockets.set_function(sockets)

    def published(self, result: str, seconds: float) -> None:
        """Counts a publish, by one of ``RESULTS``."""
        self._publishes.labels(result).inc()
        self._duration.observe(seconds)

    def unpublished(self, result: str) -> None:
        """Counts an unpublish, by one of ``UNPUBLISHED``."""
        self._unpublishes.labels(result).inc()
