"""The metrics of tokens for upstreams (``token_names``) as Prometheus objects."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from governd.observability import token_names as names
from governd.observability.names import Metric


class TokenMetrics:
    """What is counted of tokens, and of who issues them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Registers these metrics."""
        self._tokens = _counter(names.TOKENS, registry)
        self._issued = _counter(names.TOKENS_ISSUED, registry)
        self._requests = _counter(names.SERVER_REQUESTS, registry)
        self._took = _histogram(names.TOKEN_DURATION, registry)
        self._server_took = _histogram(names.SERVER_DURATION, registry)
        self._children: dict[tuple[str, str], tuple[Counter, Histogram]] = {}
        held, up = names.TOKENS_HELD, names.SERVER_UP
        self._held = Gauge(held.name, held.help, registry=registry)
        self._up = Gauge(up.name, up.help, tuple(up.labels), registry=registry)

    def held(self, tokens: int) -> None:
        """Says how many tokens are held now."""
        self._held.set(tokens)

    def handed(self, upstream: str, result: str, seconds: float) -> None:
        """Counts a token that is handed out, ``held`` or ``new``."""
        children = self._children.get((upstream, result))
        if children is None:
            children = (self._tokens.labels(upstream, result), self._took.labels(result))
            self._children[upstream, result] = children
        children[0].inc()
        children[1].observe(seconds)

    def not_handed(self, upstream: str, result: str) -> None:
        """Counts one that is not."""
        self._tokens.labels(upstream, result).inc()

    def came(self, upstream: str, result: str) -> None:
        """Counts what came of asking for a new one."""
        self._issued.labels(upstream, result).inc()

    def asked(self, server: str, outcome: str, seconds: float) -> None:
        """Counts an attempt at a token endpoint."""
        self._requests.labels(server, outcome).inc()
        self._server_took.labels(server).observe(seconds)

    def up(self, server: str, *, up: bool) -> None:
        """Says whether an authorization server answered when it was asked last."""
        self._up.labels(server).set(int(up))

    def forget(self, server: str) -> None:
        """Says nothing of an authorization server any more."""
        self._up.remove(server)


def _counter(metric: Metric, registry: CollectorRegistry) -> Counter:
    return Counter(metric.name, metric.help, tuple(metric.labels), registry=registry)


def _histogram(metric: Metric, registry: CollectorRegistry) -> Histogram:
    return Histogram(
        metric.name,
        metric.help,
        tuple(metric.labels),
        registry=registry,
        buckets=metric.buckets,
    )
