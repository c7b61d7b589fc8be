"""What happens to identities, as metrics and log lines."""

from collections.abc import Callable, Mapping, Sequence

from structlog.typing import FilteringBoundLogger

from governd.errors import (
    IdentityError,
    IdentityFaultError,
    InvalidIdentityError,
    NoIdentityError,
    NotDelegateError,
    SourceAwayError,
)
from governd.identity.svid import Workload, X509Svid
from governd.observability.identity_metrics import IdentityMetrics

_RESULTS: Mapping[type[IdentityError], str] = {
    IdentityFaultError: "fault",  # before what it is a kind of
    SourceAwayError: "away",
    NotDelegateError: "refused",
    InvalidIdentityError: "invalid",
    NoIdentityError: "not_issued",
}
_OF_ALL = frozenset({"away", "refused"})
"""What stops every workload at once, and is told once, not by each."""


class IdentityReport:
    """The identity observer port over metrics and the log."""

    def __init__(
        self,
        metrics: IdentityMetrics,
        log: FilteringBoundLogger,
        on_change: Callable[[], object],
    ) -> None:
        """Takes both, and who is to know soon that readiness may have changed."""
        self._metrics = metrics
        self._log = log
        self._on_change = on_change

    def followed(self) -> None:
        """Logs that the source answers."""
        self._log.info("identities are followed")
        self._on_change()

    def ready(self, workload: Workload, seconds: float) -> None:
        """Counts how long a workload waited for its first identity.

        Logged for who looks closely: that the identity was issued is told already, and
        where hundreds come at once, they wait for each other's lines.
        """
        self._metrics.waited(seconds)
        self._log.debug("workload ready", workload=workload.name, seconds=round(seconds, 6))

    def issued(self, workload: Workload, svids: Sequence[X509Svid]) -> None:
        """Counts and logs new identities."""
        self._metrics.issued(len(svids))
        self._log.info("identity issued", workload=workload.name, spiffe_ids=_ids(svids))
        self._on_change()

    def rotated(self, workload: Workload, svids: Sequence[X509Svid]) -> None:
        """Counts renewed ones; there are many, so they are logged for who looks closely."""
        self._metrics.rotated(len(svids))
        self._log.debug("identity rotated", workload=workload.name, spiffe_ids=_ids(svids))

    def dropped(self, workload: Workload, svids: Sequence[X509Svid], reason: str) -> None:
        """Logs identities that are held no more."""
        self._log.info(
            "identity dropped", workload=workload.name, spiffe_ids=_ids(svids), why=reason
        )
        self._on_change()

    def failed(self, workload: Workload | None, error: IdentityError, *, again: bool) -> None:
        """Counts and logs an attempt that failed."""
        result = _result(error)
        if workload is not None:
            self._metrics.failed(result)
        if not again:
            self._tell(workload, result, str(error))

    def _tell(self, workload: Workload | None, result: str, error: str) -> None:
        if workload is None:
            self._log.error("identities cannot be followed", error=error)
            self._on_change()
        elif result in _OF_ALL:
            self._log.debug("identity cannot be followed", workload=workload.name, error=error)
        else:
            self._log.warning("identity cannot be followed", workload=workload.name, error=error)


def _result(error: IdentityError) -> str:
    found = (name for kind, name in _RESULTS.items() if isinstance(error, kind))
    return next(found, "fault")


def _ids(svids: Sequence[X509Svid]) -> list[str]:
    return [str(svid.spiffe_id) for svid in svids]
