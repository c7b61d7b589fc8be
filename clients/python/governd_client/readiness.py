"""Whether this workload has its identity yet, and what one who waits for it knows. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Final, Self

from google.protobuf.timestamp_pb2 import Timestamp

from governd_client._proto.governd.v1 import identity_service_pb2
from governd_client.backoff import Backoff
from governd_client.errors import (
    GoverndError,
    LimitExceededError,
    MalformedAnswerError,
    NotReadyError,
    UnavailableError,
)

FIRST_PAUSE_SECONDS: Final = 0.05
LONGEST_PAUSE_SECONDS: Final = 0.5


class Phase(Enum):
    """How far a workload is on its way to an identity."""

    WAITING = "WAITING"
    """It has none, or none any more."""

    READY = "READY"
    """It has one that counts."""

    UNRECOGNISED = "UNRECOGNISED"
    """This client's: governd is older and does not say, or says what it does not know."""


_PHASES: Final = {
    identity_service_pb2.PHASE_WAITING: Phase.WAITING,
    identity_service_pb2.PHASE_READY: Phase.READY,
}


@dataclass(frozen=True, slots=True)
class Readiness:
    """How far this workload's identity is.

    Attributes:
        phase: Whether it is there.
        reason: While it waits, for what; when it is ready, why it may not be renewed, ``""``
            where all is well. For people: its words may change.
        not_after: When the X.509-SVID ends, in UTC; it is renewed before. ``None`` where
            governd holds none for this workload.
    """

    phase: Phase
    reason: str
    not_after: datetime | None

    @classmethod
    def from_proto(
        cls, said: identity_service_pb2.WaitReadyResponse | identity_service_pb2.WhoAmIResponse
    ) -> Self:
        """Reads what ``WaitReady`` or ``WhoAmI`` says of it.

        Raises:
            MalformedAnswerError: ``not_after`` is no time.
        """
        until = time_of(said.not_after, "not_after") if said.HasField("not_after") else None
        return cls(_PHASES.get(said.phase, Phase.UNRECOGNISED), said.reason, until)


class Waiting:
    """One who waits for an identity, over as many streams as it takes."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        """Begins to wait.

        Args:
            seconds: For how long.
            clock: Monotonic seconds.
        """
        self._seconds = seconds
        self._clock = clock
        self._end = clock() + seconds
        self._backoff = Backoff(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, optional=False)
        self._for = "governd has not answered"

    @property
    def left(self) -> float:
        """Seconds until it is too late."""
        return max(0.0, self._end - self._clock())

    def heard(self, said: identity_service_pb2.WaitReadyResponse) -> Readiness | None:
        """What governd said, where that is that the identity is there.

        Raises:
            MalformedAnswerError: It is nothing that governd may say.
        """
        self._backoff.worked()
        readiness = Readiness.from_proto(said)
        if readiness.phase is Phase.READY:
            return readiness
        self._for = readiness.reason or self._for
        return None

    def failed(self, error: GoverndError) -> float:
        """The seconds until it is worth trying again.

        Raises:
            NotReadyError: That would be too late.
            GoverndError: ``error`` itself, where trying again is no help.
        """
        passes = isinstance(error, UnavailableError | LimitExceededError)
        if not passes or error.code is None:  # no call was made: the client is closed
            raise error
        if not self.left:
            raise self.late(error) from error
        self._for = str(error)
        now = self._clock()
        self._backoff.failed(error, now)
        return min(self._backoff.wait(now), self.left)

    def late(self, error: GoverndError | None = None) -> NotReadyError:
        """The error for a wait that took too long; ``error`` is what ended it, if anything."""
        message = f"not ready within {self._seconds:g} s: {self._for}"
        return NotReadyError(message, waits_for=self._for, code=error.code if error else None)


def ended() -> MalformedAnswerError:
    """The error for a stream that ended as if the identity were there."""
    return MalformedAnswerError("the stream ended before the identity was ready")


def time_of(stamp: Timestamp, field: str) -> datetime:
    """A time of an answer, in UTC.

    Raises:
        MalformedAnswerError: It is none.
    """
    try:
        return stamp.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        message = f"{field}: expected a time between the years 1 and 9999"
        raise MalformedAnswerError(message, field=field) from error
