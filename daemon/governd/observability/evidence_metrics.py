"""The metrics of evidence and of revocations (``evidence_names``) as Prometheus objects."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge

from governd.observability import evidence_names as names
from governd.observability.names import Metric


class EvidenceMetrics:
    """What is counted of evidence and of revocations."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Registers these metrics."""
        self._evidence = _counter(names.EVIDENCE, registry)
        self._fetches = _counter(names.ISSUER_KEY_FETCHES, registry)
        self._revocations = _counter(names.REVOCATIONS, registry)
        for counter, results in (
            (self._fetches, ("fetched", "failed")),
            (self._revocations, ("revoked", "not_kept")),
        ):
            for result in results:  # so that a rate can be taken of the first one, too
                counter.labels(result)
        self._children: dict[tuple[str, str], Counter] = {}
        age, revoked = names.ISSUER_KEYS_AGE, names.REVOKED
        self._age = Gauge(age.name, age.help, registry=registry)
        self._revoked = Gauge(revoked.name, revoked.help, registry=registry)

    def publish(self, *, oldest_keys: Callable[[], float], revoked: Callable[[], int]) -> None:
        """Has both read whenever they are scraped; what is given is for any thread.

        Args:
            oldest_keys: The age of the oldest keys of an issuer, in seconds.
            revoked: How much is revoked on this node.
        """
        self._age.set_function(oldest_keys)
        self._revoked.set_function(revoked)

    def evidence(self, kind: str, result: str) -> None:
        """Counts what came of evidence."""
        child = self._children.get((kind, result))
        if child is None:
            child = self._children[kind, result] = self._evidence.labels(kind, result)
        child.inc()

    def fetch(self, result: str) -> None:
        """Counts an attempt to fetch an issuer's keys."""
        self._fetches.labels(result).inc()

    def revocation(self, result: str) -> None:
        """Counts a revocation, or one that could not be kept."""
        self._revocations.labels(result).inc()


def _counter(metric: Metric, registry: CollectorRegistry) -> Counter:
    return Counter(metric.name, metric.help, tuple(metric.labels), registry=registry)
