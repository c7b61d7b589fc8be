"""The metrics of agents (``agent_names``) as Prometheus objects."""

import functools
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge

from governd.observability import agent_names as names

RESULTS = ("taken", "unchanged", "refused")
"""Of a registration."""
STATES = ("quarantined", "none", "bound", "signed", "attested")
"""Of an agent."""


class AgentMetrics:
    """What is counted of agents."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Registers these metrics."""
        agents, registrations, attestations = names.METRICS
        self._agents = Gauge(agents.name, agents.help, tuple(agents.labels), registry=registry)
        self._registrations = Counter(
            registrations.name, registrations.help, tuple(registrations.labels), registry=registry
        )
        for result in RESULTS:  # so that a rate can be taken of the first one, too
            self._registrations.labels(result)
        self._attestations = Counter(attestations.name, attestations.help, registry=registry)

    def publish(self, count: Callable[[str], int]) -> None:
        """Has the agents of each of ``STATES`` counted whenever they are scraped, by any thread."""
        for state in STATES:
            self._agents.labels(state).set_function(functools.partial(count, state))

    def registration(self, result: str) -> None:
        """Counts a registration, by one of ``RESULTS``."""
        self._registrations.labels(result).inc()

    def attested(self) -> None:
        """Counts an attestation."""
        self._attestations.inc()
