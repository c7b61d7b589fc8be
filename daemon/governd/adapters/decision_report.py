"""Decisions as metrics and log lines."""

from structlog.typing import FilteringBoundLogger

from governd.application.answer import Answer
from governd.observability.metrics import Metrics
from governd.policy.decision import DecisionCode
from governd.policy.tools import CALL

_UNKNOWN = (DecisionCode.UNKNOWN_RESOURCE, DecisionCode.NO_POLICY)
"""Of calls of tools that nobody declares or registered."""


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
        decision, action = answer.decision, answer.question.action
        self._metrics.decided(
            allow=decision.allowed,
            code=decision.code.name,
            action=action,
            seconds=answer.latency_seconds,
        )
        if action == CALL:
            known = decision.code not in _UNKNOWN
            tool = answer.question.resource.id if known else ""
            self._metrics.tools.decided(tool, allow=decision.allowed)
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
