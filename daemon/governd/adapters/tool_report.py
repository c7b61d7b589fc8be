"""Registrations, approvals and filtered lists as metrics and log lines."""

from collections import Counter

from structlog.typing import FilteringBoundLogger

from governd.application.keep_tools import RegistrationOutcome
from governd.errors import RegistrationsError
from governd.observability.tool_metrics import ToolMetrics
from governd.policy.definitions import Kind
from governd.policy.offering import Offering, Standing

MAX_LOGGED = 64
"""Quarantined definitions that are logged one by one at a time."""
_MAX_NAME_CHARS = 128
_MAX_DETAIL_CHARS = 1024
_STATES = ("active", "quarantined")


class ToolReport:
    """The observer ports of registrations and of filtered lists over metrics and the log."""

    def __init__(self, metrics: ToolMetrics, log: FilteringBoundLogger) -> None:
        """Takes both."""
        self._metrics = metrics
        self._log = log

    def loaded(self, servers: int, pins: int) -> None:
        """Logs what is back after a restart, so that a loss can be noticed."""
        self._log.info("registrations loaded", servers=servers, pins=pins)

    def offered(self, before: Offering, after: Offering) -> None:
        """Counts what servers offer, and warns of what is quarantined since."""
        standings = after.standings.values()
        found = Counter(
            (one.kind, bool(one.reasons)) for one in standings if one.offered or one.reasons
        )
        self._metrics.registered(
            {
                (_word(kind), _STATES[state]): found[kind, bool(state)]
                for kind in Kind
                for state in (0, 1)
            }
        )
        self._warn([one for one in standings if one.reasons and _is_news(one, before)])

    def registered(self, outcome: RegistrationOutcome) -> None:
        """Counts and logs a registration."""
        self._metrics.registration("taken" if outcome.changed else "unchanged")
        if outcome.changed:
            self._log.info(
                "tools registered",
                server=outcome.server,
                active=outcome.active,
                quarantined=len(outcome.quarantined),
                epoch=outcome.policy.epoch,
            )

    def refused(self) -> None:
        """Counts a registration that was refused."""
        self._metrics.registration("refused")

    def approved(self, standing: Standing, before: str) -> None:
        """Logs an approval."""
        self._log.info("definition approved", **_facts(standing), pinned=before)

    def not_kept(self, error: RegistrationsError) -> None:
        """Logs that the disk failed."""
        self._log.error("registrations cannot be kept", error=str(error))

    def filtered(self, kind: Kind, listed: int, shown: int, seconds: float) -> None:
        """Counts a list that was filtered."""
        self._metrics.filtered(_word(kind), listed=listed, shown=shown, seconds=seconds)

    def _warn(self, quarantined: list[Standing]) -> None:
        for one in quarantined[:MAX_LOGGED]:
            reasons = [reason.name for reason in one.reasons]
            self._log.warning(
                "definition quarantined",
                **_facts(one),
                reasons=reasons,
                detail=one.detail[:_MAX_DETAIL_CHARS],
            )
        if len(quarantined) > MAX_LOGGED:
            self._log.warning("definitions quarantined", quarantined=len(quarantined))


def _is_news(standing: Standing, before: Offering) -> bool:
    """Whether it was not quarantined, as it is registered now, for the same reasons."""
    old = before.standings.get((standing.server, standing.kind, standing.name))
    return old is None or (old.reasons, _digest(old)) != (standing.reasons, _digest(standing))


def _facts(standing: Standing) -> dict[str, str]:
    return {
        "server": standing.server,
        "kind": _word(standing.kind),
        "name": standing.name[:_MAX_NAME_CHARS],
        "digest": _digest(standing),
    }


def _digest(standing: Standing) -> str:
    return standing.registered.definition.digest if standing.registered else ""


def _word(kind: Kind) -> str:
    return kind.name.lower()
