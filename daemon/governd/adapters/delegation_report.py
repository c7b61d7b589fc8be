"""What becomes of acting-as tokens, as metrics and log lines."""

from structlog.typing import FilteringBoundLogger

from governd.delegation.evidence_faults import EvidenceError, EvidenceUnavailableError
from governd.delegation.refusals import AttenuationError
from governd.delegation.rejection import Rejected
from governd.delegation.verification import Verified
from governd.errors import GoverndError, MintError, RequestError
from governd.observability.delegation_metrics import DelegationMetrics

_RESULTS: tuple[tuple[type[GoverndError], str], ...] = (
    (AttenuationError, "refused"),
    (MintError, "denied"),
    (EvidenceError, "evidence"),
    (EvidenceUnavailableError, "evidence"),
    (RequestError, "invalid"),
)
"""The first that fits; the rest is ``unavailable``."""


class DelegationReport:
    """The observer ports of delegation over metrics and the log."""

    def __init__(self, metrics: DelegationMetrics, log: FilteringBoundLogger) -> None:
        """Takes both."""
        self._metrics = metrics
        self._log = log

    def issued(self, kind: str, seconds: float) -> None:
        """Counts a token that is handed out; it is on record."""
        self._metrics.issued(kind, seconds)

    def not_issued(self, kind: str, error: GoverndError) -> None:
        """Counts one that is not. The chain around servicers counts the error, too."""
        result = next((name for of, name in _RESULTS if isinstance(error, of)), "unavailable")
        self._metrics.not_issued(kind, result)

    def verified(self, found: Verified | Rejected, seconds: float) -> None:
        """Counts one that a receiver asked about, and logs one that it must not take."""
        if isinstance(found, Rejected):
            self._metrics.verified(found.reason.name.lower(), seconds)
            result = found.reason.name.lower()
            self._log.warning("token rejected", result=result, error=found.message)
        else:
            self._metrics.verified("verified", seconds)
