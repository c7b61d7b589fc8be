"""The metrics of identities (``identity_names``) as Prometheus objects.

What is held is read when it is scraped, by the thread that answers the scrape: give what
tells it with ``publish``. Events are counted as they happen.
"""

import math
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from governd.application.identity_state import Held
from governd.observability import identity_names as names
from governd.observability.names import Metric

RESULTS = ("issued", "away", "refused", "invalid", "not_issued", "fault")
"""Of an attempt to have a workload's identity."""


class IdentityMetrics:
    """What is counted of identities."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Registers these metrics."""
        self._held = _gauge(names.IDENTITIES_HELD, registry)
        self._workloads = _gauge(names.IDENTITY_WORKLOADS, registry)
        self._next_expiry = _gauge(names.IDENTITY_NEXT_EXPIRY, registry)
        self._age = _gauge(names.IDENTITY_AGE, registry)
        self._source_up = _gauge(names.IDENTITY_SOURCE_UP, registry)
        issued, rotations = names.IDENTITY_ISSUED, names.IDENTITY_ROTATIONS
        self._issued = Counter(issued.name, issued.help, tuple(issued.labels), registry=registry)
        for result in RESULTS:  # so that a rate can be taken of the first one, too
            self._issued.labels(result)
        self._rotations = Counter(rotations.name, rotations.help, registry=registry)
        wait = names.IDENTITY_WAIT
        self._wait = Histogram(wait.name, wait.help, registry=registry, buckets=wait.buckets)

    def publish(
        self,
        source: str,
        *,
        held: Callable[[], Held],
        up: Callable[[], bool],
        wall_clock: Callable[[], float],
    ) -> None:
        """Has what is held read whenever it is scraped; all that is given is for any thread.

        Args:
            source: What issues identities: ``spire`` or ``embedded``.
            held: Tells what is held.
            up: Whether what issues them can be followed.
            wall_clock: Seconds since 1970.
        """
        self._held.labels(source).set_function(lambda: held().svids)
        self._workloads.labels("ready").set_function(lambda: held().ready)
        self._workloads.labels("waiting").set_function(lambda: _waiting(held()))
        self._source_up.set_function(up)
        self._next_expiry.set_function(lambda: _left(held(), wall_clock()))
        self._age.set_function(lambda: _age(held(), wall_clock()))

    def issued(self, count: int) -> None:
        """Counts X.509-SVIDs for IDs that a workload did not have."""
        self._issued.labels("issued").inc(count)

    def failed(self, result: str) -> None:
        """Counts an attempt that failed, by one of ``RESULTS``."""
        self._issued.labels(result).inc()

    def rotated(self, count: int) -> None:
        """Counts X.509-SVIDs that took the place of others."""
        self._rotations.inc(count)

    def waited(self, seconds: float) -> None:
        """Counts a workload that has its first identity after so long."""
        self._wait.observe(seconds)


def _waiting(held: Held) -> int:
    return held.workloads - held.ready


def _left(held: Held, now: float) -> float:
    return math.inf if held.next_expiry is None else held.next_expiry - now


def _age(held: Held, now: float) -> float:
    return 0.0 if held.oldest is None else now - held.oldest


def _gauge(metric: Metric, registry: CollectorRegistry) -> Gauge:
    return Gauge(metric.name, metric.help, tuple(metric.labels), registry=registry)
