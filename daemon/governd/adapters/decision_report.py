"""Decisions as metrics and log lines."""

from structlog.typing import FilteringBoundLogger

from governd.application.answer import Answer
from governd.observability.metrics import Metrics


class DecisionReport:
    """The decision observer port over metrics and the log."""

    def __init__(self, metrics: Metrics, log: FilteringBoundLogger, *, logged: str) -> None:
        """Takes both, and which decisions are logged: ``all``, ``deny`` or ``none``."""
        self._metrics = metrics
        self._log = log
        self._allows = logged == "all"
        self._denies = logged in {"all", "deny"}

    def decided(self, answer: Answer) -> None:
        """Counts a decision, and logs it where that is wanted."""
        decision = answer.decision
        self._metrics.decided(
            allow=decision.allowed,
            code=decision.code.name,
            action=answer.question.action,
            seconds=answer.latency_seconds,
        )
        if self._allows if decision.allowed else self._denies:
            self._write(answer)

    def _write(self, answer: Answer) -> None:
        question, decision = answer.question, answer.decision
        self._log.info(
            "decision",
            decision_id=answer.decision_id,
            decision="allow" if decision.allowed else "deny",
            code=decision.code.name,
            subject=str(question.subject),
            action=question.action,
            resource=f"{question.resource.type}:{question.resource.id}",
            reasons=decision.reasons,
            seconds=round(answer.latency_seconds, 6),
        )
