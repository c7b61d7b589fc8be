"""When a client tells governd what it gathered. Does no IO; shares its session's lock."""

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from governd_client._proto.governd.v1 import policy_service_pb2
from governd_client.backoff import Backoff
from governd_client.channel import CallTerms
from governd_client.errors import (
    GoverndError,
    InvalidRequestError,
    LimitExceededError,
    UnavailableError,
)
from governd_client.outcomes import Outcomes

INTERVAL_SECONDS: Final = 5.0
"""Between two reports, while there is something to tell."""
TIMEOUT_SECONDS: Final = 0.5
"""Of a report, and of all that a client which closes still sends."""
_MAX_PAUSE_SECONDS: Final = 60.0
_MAX_REFUSALS: Final = 10
"""In a row without a pause: as many as it takes to find one entry among 256."""
_TOO_LARGE: Final = frozenset({"MESSAGE_TOO_LARGE", ""})  # gRPC's own refusal has no reason


class Reports:
    """The reports of one client.

    Attributes:
        outcomes: What there is to tell. Only for whoever holds the lock.
        running: Whether somebody reports, or governd takes no reports.
    """

    def __init__(self, lock: threading.Lock, clock: Callable[[], float]) -> None:
        """Begins with nothing to tell."""
        self.outcomes = Outcomes()
        self.running = False
        self._lock = lock
        self._clock = clock
        self._backoff = Backoff(INTERVAL_SECONDS, _MAX_PAUSE_SECONDS)
        self._refusals = 0
        self._ends = math.inf

    def begin(self) -> bool:
        """Whether to begin to report every few seconds, until ``end`` says so."""
        with self._lock:
            if self.running or not self.outcomes:
                return False
            self.running = True
            return True

    @contextmanager
    def released(self) -> Iterator[None]:
        """Around whoever reports: if it fails, somebody else may begin."""
        try:
            yield
        except BaseException:
            with self._lock:
                self.running = self._backoff.given_up
            raise

    def take(self) -> policy_service_pb2.ReportOutcomeRequest | None:
        """The report to send now, ``None`` for none. To be sent within ``sending``."""
        with self._lock:
            now = self._clock()
            return self.outcomes.take() if self._backoff.ready(now) and now < self._ends else None

    @contextmanager
    def sending(self, report: policy_service_pb2.ReportOutcomeRequest) -> Iterator[CallTerms]:
        """Around the call that sends a report; gives its terms.

        A ``GoverndError`` ends here: the report is kept where sending it again can help. So
        it is where the call is cancelled or fails in another way, which then goes on.
        """
        try:
            left = max(0.001, min(TIMEOUT_SECONDS, self._ends - self._clock()))
            yield {"timeout": left, "metadata": (), "wait_for_ready": False}
        except GoverndError as error:
            self.failed(report, error)
        except BaseException:
            with self._lock:
                self.outcomes.put_back(report)
            raise
        else:
            self.worked()

    def worked(self) -> None:
        """A report is on record."""
        with self._lock:
            self._refusals = 0
            self._backoff.worked()

    def failed(self, report: policy_service_pb2.ReportOutcomeRequest, error: GoverndError) -> None:
        """A report was not taken: what may yet be is kept."""
        with self._lock:
            if _refuses(error):
                self.outcomes.refused(report, error.field)
                self._refusals += 1
                if self._refusals % _MAX_REFUSALS:
                    return
            elif isinstance(error, UnavailableError | LimitExceededError):
                self.outcomes.put_back(report)
            else:
                self.outcomes.lose(report)
            self._backoff.failed(error, self._clock())

    def end(self) -> bool:
        """Whether to stop: there is nothing to tell, or nobody to take it."""
        with self._lock:
            if self._backoff.given_up:
                return True  # and running it stays: nobody is to begin again
            self.running = bool(self.outcomes)
            return not self.running

    def give_up(self) -> None:
        """Nothing is to be told any more."""
        self.running = True
        self._backoff.give_up()

    def closing(self) -> None:
        """What is not sent within ``TIMEOUT_SECONDS`` from now never is."""
        with self._lock:
            self._ends = min(self._ends, self._clock() + TIMEOUT_SECONDS)

    def close(self) -> None:
        """What is left, or comes back from whoever still sends, is lost and counted."""
        with self._lock:
            self._ends = -math.inf
            self.outcomes.close()


def _refuses(error: GoverndError) -> bool:
    """Whether the same report can never be taken, but a part of it might."""
    if isinstance(error, LimitExceededError):
        return error.reason in _TOO_LARGE
    return isinstance(error, InvalidRequestError)
