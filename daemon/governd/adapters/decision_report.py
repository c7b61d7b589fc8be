"""Decisions as metrics and log lines."""

from structlog.typing import FilteringBoundLogger

from governd.audit.record import DecisionRecord
from governd.observability.metrics import Metrics


class DecisionReport:
    """The decision observer port over metrics and the log."""

    def __init__(self, metrics: Metrics, log: FilteringBoundLogger, *, logged: str) -> None:
        """Takes both, and which decisions are logged: ``all``, ``deny`` or ``none``."""
        self._metrics = metrics
        self._log = log
        self._allows = logged == "all"
        self._denies = logged in {"all", "deny"}

    def decided(self, record: DecisionRecord) -> None:
        """Counts a decision, and logs it where that is wanted."""
        decision = record.decision
        self._metrics.decided(
            allow=decision.allowed,
            code=decision.code.name.lower(),
            action=record.question.action,
            seconds=record.latency_seconds,
        )
        if self._allows if decision.allowed else self._denies:
            self._write(record)

    def _write(self, record: DecisionRecord) -> None:
        self._log.info(
            "decision",
            decision_id=record.decision_id,
            decision="allow" if record.decision.allowed else "deny",
            code=record.decision.code.name,
            subject=str(record.question.subject),
            action=record.question.action,
            resource_type=record.question.resource.type,
            resource_id=record.question.resource.id,
            reasons=list(record.decision.reasons),
            latency_us=round(record.latency_seconds * 1e6),
        )
