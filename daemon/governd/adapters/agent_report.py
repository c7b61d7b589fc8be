"""Agents as metrics and log lines: never a card, never a token."""

from collections.abc import Mapping

from structlog.typing import FilteringBoundLogger

from governd.errors import RegistrationsError
from governd.identity import SpiffeId
from governd.kya.registered_agent import RegisteredAgent
from governd.observability.agent_metrics import AgentMetrics

MAX_LOGGED = 64
"""Quarantined agents that are logged one by one at a time."""
_MAX_DETAIL_CHARS = 1024


class AgentReport:
    """The observer ports of agents over metrics and the log."""

    def __init__(self, metrics: AgentMetrics, log: FilteringBoundLogger) -> None:
        """Takes both."""
        self._metrics = metrics
        self._log = log

    def loaded(self, agents: int) -> None:
        """Logs what is back after a restart, so that a loss can be noticed."""
        self._log.info("agents loaded", agents=agents)

    def assessed(
        self,
        before: Mapping[SpiffeId, RegisteredAgent],
        after: Mapping[SpiffeId, RegisteredAgent],
    ) -> None:
        """Warns of agents that are quarantined since."""
        news = [one for one in after.values() if one.drift and _is_news(one, before)]
        for one in news[:MAX_LOGGED]:
            self._log.warning(
                "agent quarantined",
                subject=str(one.spiffe_id),
                digest=one.card.digest,
                pinned=one.pin.card.digest,
                reasons=[reason.name for reason, _ in one.drift],
                detail="; ".join(words for _, words in one.drift)[:_MAX_DETAIL_CHARS],
            )
        if len(news) > MAX_LOGGED:
            self._log.warning("agents quarantined", agents=len(news))

    def registered(self, agent: RegisteredAgent, *, changed: bool) -> None:
        """Counts and logs a registration."""
        self._metrics.registration("taken" if changed else "unchanged")
        if changed:
            self._log.info("agent registered", digest=agent.card.digest)

    def refused(self) -> None:
        """Counts a registration that was refused."""
        self._metrics.registration("refused")

    def approved(self, agent: RegisteredAgent, before: str) -> None:
        """Logs an approval."""
        subject = str(agent.spiffe_id)
        self._log.info("agent approved", subject=subject, digest=agent.card.digest, pinned=before)

    def forgotten(self, agent: RegisteredAgent) -> None:
        """Logs that an agent is forgotten."""
        subject, pinned = str(agent.spiffe_id), agent.pin.card.digest
        self._log.info("agent forgotten", subject=subject, digest=agent.card.digest, pinned=pinned)

    def attested(self) -> None:
        """Counts an attestation."""
        self._metrics.attested()

    def not_kept(self, error: RegistrationsError) -> None:
        """Logs that the disk failed."""
        self._log.error("agents cannot be kept", error=str(error))


def _is_news(agent: RegisteredAgent, before: Mapping[SpiffeId, RegisteredAgent]) -> bool:
    """Whether it was not quarantined, as it is now, for the same reasons."""
    old = before.get(agent.spiffe_id)
    return old is None or (old.drift, old.card.digest) != (agent.drift, agent.card.digest)
