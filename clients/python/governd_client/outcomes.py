"""What a client has to tell governd: what became of permits, and how answers were got.

Pure. Gathers between two reports, within bounds: what does not fit is dropped and counted,
since telling must never hold up the one who asks.
"""

import enum
import itertools
import math
import re
from bisect import bisect_left
from collections import deque
from typing import Final

from governd_client._proto.governd.v1 import policy_service_pb2
from governd_client.errors import InvalidRequestError

MAX_OUTCOMES: Final = 4096
MAX_USED: Final = 4096
"""Leased decisions whose uses are counted between two reports."""
MAX_PER_REPORT: Final = 256
MAX_DURATION_SECONDS: Final = 86_400.0
"""A day: governd takes no longer duration of an action."""
BOUNDS_SECONDS: Final = tuple(
    microseconds / 1e6
    for microseconds in (
        *(1, 2, 5, 10, 20, 50, 100, 200, 500),
        *(1_000, 2_000, 5_000, 10_000, 50_000, 100_000),
    )
)
"""The upper bounds of ``AnswerLatencies.counts``, all but the last, which has none."""
_ENTRY: Final = re.compile(r"(outcomes|lease_uses)\[([0-9]{1,4})\]", re.ASCII)


class Outcome(enum.Enum):
    """What became of a permitted action."""

    SUCCEEDED = policy_service_pb2.OUTCOME_CODE_SUCCEEDED
    """It was done."""

    FAILED = policy_service_pb2.OUTCOME_CODE_FAILED
    """It was begun and failed, wholly or in part."""

    NOT_ATTEMPTED = policy_service_pb2.OUTCOME_CODE_NOT_ATTEMPTED
    """It was permitted and not begun."""


class AnswerPath(enum.IntEnum):
    """How a client came by an answer."""

    UNARY = policy_service_pb2.ANSWER_PATH_UNARY
    STREAM = policy_service_pb2.ANSWER_PATH_STREAM
    LEASE = policy_service_pb2.ANSWER_PATH_LEASE


class Latencies:
    """How long answers of one path took.

    Attributes:
        counts: Answers by latency, as ``BOUNDS_SECONDS`` divides it.
        seconds: The sum.
    """

    __slots__ = ("counts", "seconds")

    def __init__(self) -> None:
        """Begins with none."""
        self.counts = [0] * (len(BOUNDS_SECONDS) + 1)
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        """Counts one answer."""
        self.counts[bisect_left(BOUNDS_SECONDS, seconds)] += 1
        self.seconds += seconds


class Outcomes:
    """What there is to tell.

    Attributes:
        dropped: Outcomes and counts of lease uses that were lost so far.
        latencies: Of the answers, by their path.
    """

    def __init__(self) -> None:
        """Begins with nothing."""
        self.dropped = 0
        self.latencies = {path: Latencies() for path in AnswerPath}
        self._outcomes: deque[policy_service_pb2.Outcome] = deque()
        self._uses: dict[str, int] = {}
        self._most = MAX_PER_REPORT
        self._closed = False

    def __bool__(self) -> bool:
        """Whether there is anything to tell."""
        return bool(self._outcomes or self._uses) or any(
            any(each.counts) for each in self.latencies.values()
        )

    def add(self, outcome: policy_service_pb2.Outcome) -> None:
        """Takes what became of one decision."""
        if self._closed or len(self._outcomes) >= MAX_OUTCOMES:
            self.dropped += 1
            return
        self._outcomes.append(outcome)

    def used(self, decision_id: str, uses: int = 1) -> None:
        """Counts uses of a leased answer."""
        known = self._uses.get(decision_id)
        if self._closed or (known is None and len(self._uses) >= MAX_USED):
            self.dropped += 1
            return
        self._uses[decision_id] = (known or 0) + uses

    def take(self) -> policy_service_pb2.ReportOutcomeRequest | None:
        """The next report, ``None`` if there is nothing to tell. It is no longer held here."""
        if not self:
            return None
        report = policy_service_pb2.ReportOutcomeRequest()
        while self._outcomes and len(report.outcomes) < self._most:
            report.outcomes.append(self._outcomes.popleft())
        room = self._most - len(report.outcomes)
        for decision_id in list(itertools.islice(self._uses, room)):
            report.lease_uses.add(decision_id=decision_id, uses=self._uses.pop(decision_id))
        for path, latencies in self.latencies.items():
            if any(latencies.counts):
                entry = report.latencies.add(path=path.value, counts=latencies.counts)
                entry.sum.FromNanoseconds(round(latencies.seconds * 1e9))
                self.latencies[path] = Latencies()
        return report

    def put_back(self, report: policy_service_pb2.ReportOutcomeRequest) -> None:
        """Holds a report again that could not be sent, as far as there is room."""
        if self._closed:
            self.lose(report)
            return
        room = MAX_OUTCOMES - len(self._outcomes)
        self._outcomes.extendleft(reversed(report.outcomes[:room]))
        self.dropped += max(0, len(report.outcomes) - room)
        for use in report.lease_uses:
            self.used(use.decision_id, use.uses)
        for entry in report.latencies:
            latencies = self.latencies[AnswerPath(entry.path)]
            latencies.counts = [a + b for a, b in zip(latencies.counts, entry.counts, strict=True)]
            latencies.seconds += entry.sum.ToNanoseconds() / 1e9

    def refused(self, report: policy_service_pb2.ReportOutcomeRequest, field: str) -> None:
        """Holds again what governd may yet take of a report that it refused.

        That is all but the entry that ``field`` names. Where it names none, the next report
        is half as long; so are all from then on, until an entry is refused alone.
        """
        count = len(report.outcomes) + len(report.lease_uses)
        if not self._lose_entry(report, field):
            if field.startswith("latencies") or (count <= 1 and report.latencies):
                report.ClearField("latencies")
            elif count > 1:
                self._most = count // 2
            else:
                self._most = MAX_PER_REPORT
                self.lose(report)
                return
        self.put_back(report)

    def _lose_entry(self, report: policy_service_pb2.ReportOutcomeRequest, field: str) -> bool:
        named = _ENTRY.match(field)
        if named is None:
            return False
        entries = report.outcomes if named[1] == "outcomes" else report.lease_uses
        number = int(named[2])
        if number >= len(entries):
            return False
        del entries[number]
        self.dropped += 1
        return True

    def close(self) -> None:
        """Nobody takes anything any more: what is held and whatever comes is lost."""
        self._closed = True
        self.dropped += len(self._outcomes) + len(self._uses)
        self._outcomes.clear()
        self._uses.clear()
        self.latencies = {path: Latencies() for path in AnswerPath}

    def lose(self, report: policy_service_pb2.ReportOutcomeRequest) -> None:
        """Counts a report that governd will not take."""
        self.dropped += len(report.outcomes) + len(report.lease_uses)


def outcome_of(
    decision_id: str, outcome: Outcome, duration: float | None
) -> policy_service_pb2.Outcome:
    """Writes what became of one decision; more than a day is told as a day.

    Raises:
        InvalidRequestError: There was no decision, or ``duration`` is not a finite number of
            seconds from 0.
    """
    if not decision_id:
        message = "decision: expected one that governd made"
        raise InvalidRequestError(message, field="decision")
    written = policy_service_pb2.Outcome(decision_id=decision_id, code=outcome.value)
    if duration is not None:
        if not (math.isfinite(duration) and duration >= 0):
            message = "duration: expected a finite number of seconds, not below 0"
            raise InvalidRequestError(message, field="duration")
        written.duration.FromNanoseconds(round(min(duration, MAX_DURATION_SECONDS) * 1e9))
    return written
