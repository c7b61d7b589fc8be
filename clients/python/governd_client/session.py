"""What a client knows between its calls; threads and tasks share this one mind.

Does no IO and starts nothing: it says what is worth starting (``due``), and whoever starts
it says what came of it. Safe to share between threads.

A process that was forked off its client has none of the threads and streams that leases
rest on: there everything is asked by single calls, and nothing is reported.
"""

import os
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Final

from governd_client._proto.governd.v1 import types_pb2
from governd_client.backoff import Backoff
from governd_client.decision import Decision
from governd_client.errors import GoverndError, InvalidRequestError
from governd_client.exchange import MAX_MESSAGE_BYTES, MAX_QUESTIONS
from governd_client.leases import Leases, leasable
from governd_client.outcomes import AnswerPath, Outcome, outcome_of
from governd_client.question import Key
from governd_client.reports import Reports
from governd_client.statuses import from_status
from governd_client.watching import Watch, seconds

boottime: Final[Callable[[], float]] = partial(
    time.clock_gettime,
    # Counts the time that the machine was suspended. Where the system has no such clock,
    # CLOCK_MONOTONIC is the one that does (macOS).
    getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC),
)
"""Seconds by a clock that never goes back."""


@dataclass(frozen=True, slots=True)
class Stats:
    """What a client did so far.

    Attributes:
        leases: Answers that are held now.
        leased: Questions that were answered by a lease.
        unary: Questions that were answered by single calls, batches not counted.
        streamed: Questions that were answered over the shared stream.
        dropped: Outcomes and counts of lease uses that never reached governd.
    """

    leases: int
    leased: int
    unary: int
    streamed: int
    dropped: int


class Session:
    """The mind of one client.

    Attributes:
        clock: What all its times are told by.
        due: Whether there may be something to start; see ``watch.begin``, ``reports.begin``.
        watch: When to follow WatchEpoch, and what it says.
        reports: What there is to tell, and when.
        max_questions: How many questions governd takes in one message of a stream.
    """

    def __init__(
        self,
        *,
        leases: bool = True,
        clock: Callable[[], float] = boottime,
        pid: Callable[[], int] = os.getpid,
    ) -> None:
        """Begins with nothing; ``leases`` says whether any are to be kept."""
        self.clock = clock
        self.due = False
        self.max_questions = MAX_QUESTIONS
        self._keeps = leases
        self._pid = pid
        self._alone = False
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._leases = Leases()
        self.reports = Reports(self._lock, self.clock)
        self.watch = Watch(self._lock, self.clock, self._leases)
        self._streams = Backoff()
        self._counts = dict.fromkeys(AnswerPath, 0)
        self._in_flight = 0
        if self._alone:
            self._streams.give_up()
            self.reports.give_up()
        self._home = self._pid()

    def came_along(self) -> bool:
        """Whether this process is still the one that made the client.

        In any other, all leases and all that was to be reported are gone.
        """
        if self._pid() != self._home:
            self._alone, self._keeps = True, False
            self._begin()  # with a lock that nobody held when the process was forked
        return not self._alone

    def reuse(self, key: Key, began: float) -> Decision | None:
        """The answer that holds for a question, ``None`` if it must be asked.

        ``began`` is when the caller's code began to ask.
        """
        if self._pid() != self._home:
            self.came_along()
        with self._lock:
            now = self.clock()
            decision = self._leases.use(key, now)
            if decision is None:
                return None
            self.watch.used_at = now
            self._counts[AnswerPath.LEASE] += 1
            self.reports.outcomes.used(decision.decision_id)
            self.reports.outcomes.latencies[AnswerPath.LEASE].add(now - began)
            if not self.reports.running:
                self.due = True
            return decision

    def enter(self, size: int) -> bool:
        """A question of so many bytes is to be asked; returns whether over the stream.

        The first of several at a time goes by a call of its own, which is quickest; so does
        a large one, since a message that is too large would end the stream for all.
        """
        with self._lock:
            self._in_flight += 1
            shared = self._in_flight > 1 and size <= MAX_MESSAGE_BYTES
            return shared and self._streams.ready(self.clock())

    def leave(self) -> None:
        """The question was answered, or not."""
        with self._lock:
            self._in_flight -= 1

    def answered(
        self,
        key: Key,
        evaluation: types_pb2.Evaluation,
        supported: Collection[str],
        *,
        path: AnswerPath,
        began: float,
    ) -> Decision:
        """Reads an answer, and keeps it if it may be given again.

        Raises:
            GoverndError: It is none, or not one that governd may give.
        """
        if path is AnswerPath.STREAM and evaluation.HasField("error"):
            raise from_status(evaluation.error)
        decision = Decision.from_proto(evaluation, supported)
        with self._lock:
            now = self.clock()
            self._counts[path] += 1
            self.reports.outcomes.latencies[path].add(now - began)
            if self._keeps:
                valid_for = seconds(evaluation.lease.valid_for, evaluation.HasField("lease"))
                self._leases.keep(key, decision, valid_for, began, now)
                self.watch.wanted = not self.watch.following and leasable(decision, valid_for)
            self.due = self.watch.wanted or not self.reports.running
        return decision

    def report(self, decision: Decision, outcome: Outcome, duration: float | None) -> None:
        """Takes what became of a decision.

        Raises:
            InvalidRequestError: There was no decision, or ``duration`` is not a finite number
                of seconds from 0.
        """
        written = outcome_of(decision.decision_id, outcome, duration)
        self.came_along()
        with self._lock:
            self.reports.outcomes.add(written)
            self.due = True

    def stats(self) -> Stats:
        """What was done so far."""
        with self._lock:
            return Stats(
                leases=len(self._leases),
                leased=self._counts[AnswerPath.LEASE],
                unary=self._counts[AnswerPath.UNARY],
                streamed=self._counts[AnswerPath.STREAM],
                dropped=self.reports.outcomes.dropped,
            )

    def close(self) -> None:
        """Ends all leases for good."""
        with self._lock:
            self._leases.close()
            self._keeps = False
            self._streams.give_up()

    def stream_worked(self) -> None:
        """An answer came over the stream."""
        with self._lock:
            self._streams.worked()

    def end_stream(self, error: GoverndError | None) -> None:
        """The stream is over."""
        with self._lock:
            if isinstance(error, InvalidRequestError):
                self.max_questions = max(1, self.max_questions // 2)
            if error is not None:
                self._streams.failed(error, self.clock())
