"""Evidence, issuers' keys and revocations as metrics and log lines. Never a token."""

from structlog.typing import FilteringBoundLogger

from governd.delegation.evidence_faults import EvidenceFault
from governd.delegation.revocation_list import Revocation
from governd.errors import GoverndError
from governd.observability.evidence_metrics import EvidenceMetrics
from governd.policy.delegated import EvidenceKind


class EvidenceReport:
    """The observer ports of evidence and of revocations over metrics and the log."""

    def __init__(self, metrics: EvidenceMetrics, log: FilteringBoundLogger) -> None:
        """Takes both."""
        self._metrics = metrics
        self._log = log
        self._away: set[str] = set()

    def verified(self, kind: EvidenceKind) -> None:
        """Counts evidence that holds."""
        self._metrics.evidence(kind.value, "verified")

    def refused(self, kind: EvidenceKind, fault: EvidenceFault | None) -> None:
        """Counts evidence that does not, or of which that cannot be told."""
        result = fault.value if fault else "unavailable"
        self._metrics.evidence(kind.value, result)
        if fault:
            self._log.warning("evidence refused", kind=kind.value, result=result)

    def fetched(self, name: str) -> None:
        """Counts keys that came, and logs the first after some that did not."""
        self._metrics.fetch("fetched")
        if name in self._away:
            self._away.discard(name)
            self._log.info("issuer is back", issuer=name)

    def failed(self, name: str, error: str) -> None:
        """Counts keys that did not come, and logs the first time."""
        self._metrics.fetch("failed")
        if name not in self._away:
            self._away.add(name)
            self._log.warning("keys of issuer cannot be had", issuer=name, error=error)

    def revoked(self, one: Revocation) -> None:
        """Counts and logs a revocation."""
        self._metrics.revocation("revoked")
        # Nothing of a user or a token: the decision log has them.
        self._log.warning("revoked", kind=one.target.kind.value, until=int(one.until))

    def not_kept(self, error: GoverndError) -> None:
        """Counts and logs that a revocation is not on record, or not on disk."""
        self._metrics.revocation("not_kept")
        self._log.error("revocation not kept", error=str(error))
