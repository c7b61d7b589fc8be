"""What both clients tell: outcomes to governd, and numbers to whoever asks."""

from typing import Protocol

from governd_client.decision import Decision
from governd_client.outcomes import Outcome
from governd_client.session import Session, Stats


class _Background(Protocol):
    def tend(self) -> None: ...


class Telling:
    """The part of a client that waits for nothing."""

    _session: Session
    _background: _Background

    def report(
        self, decision: Decision, outcome: Outcome, *, duration: float | None = None
    ) -> None:
        """Tells governd what became of a permitted action. Does not wait for it.

        It is sent within seconds, with others. What governd cannot take for long, or what
        does not fit, is lost and counted in ``stats().dropped``.

        Args:
            decision: The permit.
            outcome: What became of it.
            duration: Seconds that the action took; more than a day is told as a day.

        Raises:
            InvalidRequestError: There was no decision, or ``duration`` is not a finite number
                of seconds from 0.
        """
        self._session.report(decision, outcome, duration)
        self._background.tend()

    def stats(self) -> Stats:
        """What this client did so far."""
        return self._session.stats()
