"""Puts what callers say of their permits on record."""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Protocol

from governd.audit.ports import DecisionLog
from governd.audit.record import report_record
from governd.audit.report import Report
from governd.errors import DecisionLogError
from governd.identity import Caller

_RETRY_SECONDS = 1.0


class ReportObserver(Protocol):
    """Watches reports, for metrics."""

    def reported(self, report: Report) -> None:
        """A report is on record."""


class Reporter:
    """The use case behind ReportOutcome."""

    def __init__(
        self, log: DecisionLog, observer: ReportObserver, *, wall_clock: Callable[[], float]
    ) -> None:
        """Takes where reports are put, who is told, and seconds since the epoch."""
        self._log = log
        self._observer = observer
        self._wall_clock = wall_clock

    async def take(self, caller: Caller, report: Report) -> None:
        """Puts a report on record, as the caller's word.

        Raises:
            DecisionLogError: It is not on record; it may be sent again.
        """
        records = list(_records(caller, report, self._wall_clock()))
        if records:
            try:
                await self._log.append(records)
            except DecisionLogError as error:
                raise DecisionLogError(str(error), retry_after=_RETRY_SECONDS) from error
        self._observer.reported(report)


def _records(caller: Caller, report: Report, now: float) -> Iterator[bytes]:
    for outcome in report.outcomes:
        yield _record("outcome", caller, now, asdict(outcome))
    for use in report.lease_uses:
        yield _record("lease_use", caller, now, asdict(use))


def _record(kind: str, caller: Caller, now: float, said: dict[str, object]) -> bytes:
    return report_record(
        kind,
        time=now,
        caller=str(caller.spiffe_id),
        attestation=caller.attestation.value,
        said=said,
    )
