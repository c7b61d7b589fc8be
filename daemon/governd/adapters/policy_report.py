"""Loads of the policy source as metrics and log lines."""

import time
from collections.abc import Callable

from structlog.typing import FilteringBoundLogger

from governd.application.sync_policy import PolicyState
from governd.observability.metrics import Metrics


class PolicyReport:
    """Tells of every new state of the policy, good or refused."""

    def __init__(
        self, metrics: Metrics, log: FilteringBoundLogger, on_change: Callable[[], None]
    ) -> None:
        """Takes both, and who else wants to know."""
        self._metrics = metrics
        self._log = log
        self._on_change = on_change

    def loaded(self, state: PolicyState) -> None:
        """Counts and logs what the source led to."""
        policy = state.policy
        self._metrics.policy_load("refused" if state.problems else "loaded")
        self._metrics.policy_ready.set(policy is not None)
        if policy is not None and not state.problems:
            self._metrics.policy_policies.set(len(policy.policies))
            self._metrics.policy_last_success.set(time.time())
            self._log.info("policy in force", digest=policy.digest, epoch=state.epoch)
        for one in state.problems:
            self._log.error("policy refused", file=one.file, line=one.line, error=one.message)
        self._on_change()
