"""The metrics of delegation (``delegation_names``) as Prometheus objects."""

from prometheus_client import CollectorRegistry, Counter, Histogram

from governd.observability import delegation_names as names

OPERATIONS = ("mint", "extend")
RESULTS = ("issued", "denied", "refused", "evidence", "invalid", "unavailable")


class DelegationMetrics:
    """What is counted of delegation."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Registers these metrics."""
        asked, told, took = names.DELEGATIONS, names.VERIFICATIONS, names.DELEGATION_DURATION
        self._asked = Counter(asked.name, asked.help, tuple(asked.labels), registry=registry)
        for operation in OPERATIONS:  # so that a rate can be taken of the first one, too
            for result in RESULTS:
                self._asked.labels(operation, result)
        self._told = Counter(told.name, told.help, tuple(told.labels), registry=registry)
        self._took = Histogram(
            took.name, took.help, tuple(took.labels), registry=registry, buckets=took.buckets
        )

    def issued(self, operation: str, seconds: float) -> None:
        """Counts a token that is handed out."""
        self._asked.labels(operation, "issued").inc()
        self._took.labels(operation).observe(seconds)

    def not_issued(self, operation: str, result: str) -> None:
        """Counts one that is not, by one of ``RESULTS``."""
        self._asked.labels(operation, result).inc()

    def verified(self, result: str, seconds: float) -> None:
        """Counts one that a receiver asked about."""
        self._told.labels(result).inc()
        self._took.labels("verify").observe(seconds)
