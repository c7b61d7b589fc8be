"""What becomes of tokens and of who issues them, as metrics, log lines and states.

Never a token, and nothing that a server said but its state.
"""

from collections.abc import Callable
from collections.abc import Set as AbstractSet

from structlog.typing import FilteringBoundLogger

from governd.application.issuer_ports import CallOutcome
from governd.delegation.evidence_faults import EvidenceError, EvidenceUnavailableError
from governd.errors import (
    GoverndError,
    LimitError,
    MintError,
    RequestError,
    TokenRefusedError,
    UpstreamUnknownError,
)
from governd.observability.token_metrics import TokenMetrics

UP, UNKNOWN = "up", "unknown"
_RESULTS: tuple[tuple[type[GoverndError], str], ...] = (
    (MintError, "denied"),
    (TokenRefusedError, "refused"),
    (EvidenceError, "evidence"),
    (EvidenceUnavailableError, "evidence"),
    (RequestError, "invalid"),
    (UpstreamUnknownError, "invalid"),
    (LimitError, "limited"),
)
"""The first that fits; the rest is ``unavailable``."""
_ANSWERS = frozenset({CallOutcome.ANSWERED, CallOutcome.REFUSED})
_WORDS = {
    CallOutcome.BUSY: "it wants to be asked later",
    CallOutcome.FAILED: "it fails",
    CallOutcome.AWAY: "it does not answer",
    CallOutcome.UNREADABLE: "its answers cannot be read",
}


class TokenReport:
    """The observer ports of tokens, of token endpoints and of servers' metadata."""

    def __init__(
        self,
        metrics: TokenMetrics,
        log: FilteringBoundLogger,
        *,
        named: Callable[[], AbstractSet[str]],
    ) -> None:
        """Nothing is known of any server yet.

        Args:
            metrics: Count.
            log: Told of what an operator has to look after.
            named: The authorization servers that the policy in force names.
        """
        self._metrics = metrics
        self._log = log
        self._named = named
        self._states: dict[str, str] = {}

    def state(self, server: str) -> str:
        """How an authorization server is: ``unknown``, ``up``, or ``down: `` and why."""
        return self._states.get(server, UNKNOWN)

    def handed(self, upstream: str, seconds: float, *, held: bool) -> None:
        """Counts a token that is handed out."""
        self._metrics.handed(upstream, "held" if held else "new", seconds)

    def not_handed(self, upstream: str, error: GoverndError) -> None:
        """Counts one that is not. The chain around servicers counts the error, too."""
        result = next((name for of, name in _RESULTS if isinstance(error, of)), "unavailable")
        self._metrics.not_handed(upstream, result)

    def issued(self, upstream: str) -> None:
        """Counts a new token; it is on record."""
        self._metrics.came(upstream, "issued")

    def not_issued(self, upstream: str, error: GoverndError) -> None:
        """Counts that there is none, and logs what an operator has to look after."""
        if not isinstance(error, TokenRefusedError):
            self._metrics.came(upstream, "unavailable")
            return
        rule, said = error.metadata.get("rule", "refused"), error.metadata.get("error")
        self._metrics.came(upstream, rule)
        self._log.warning("token refused", upstream=upstream, result=rule, error=said or str(error))

    def holds(self, tokens: int) -> None:
        """Says how many are held; forgets servers that policy names no more."""
        self._metrics.held(tokens)
        for name in self._states.keys() - self._named():
            del self._states[name]
            self._metrics.forget(name)

    def asked(self, name: str, outcome: CallOutcome, seconds: float) -> None:
        """Counts an attempt, and says how the server is."""
        self._metrics.asked(name, outcome.value, seconds)
        self._is(name, _WORDS.get(outcome, "") if outcome not in _ANSWERS else "")

    def paused(self, name: str) -> None:
        """Logs that a server is not asked for a while."""
        self._log.warning("authorization server is left alone", issuer=name)

    def resumed(self, name: str) -> None:
        """Logs that it is asked again."""
        self._log.info("authorization server is asked again", issuer=name)

    def described(self, name: str) -> None:
        """Takes note that a server says what it is."""
        self._is(name, "")

    def not_described(self, name: str, error: str) -> None:
        """Takes note that it does not."""
        self._is(name, f"metadata: {error}")

    def _is(self, name: str, problem: str) -> None:
        """Logs the first failure of several in a row, and the first answer after them."""
        before, after = self.state(name), f"down: {problem}" if problem else UP
        self._states[name] = after
        self._metrics.up(name, up=not problem)
        if problem and not before.startswith("down"):
            self._log.warning("authorization server is away", issuer=name, error=problem)
        elif not problem and before.startswith("down"):
            self._log.info("authorization server is back", issuer=name)
