"""What callers say of their permits: what became of them, how often leases were used.

Their word, and recorded as that: metrics made of it are worth what callers are. Each number
is held to what a client can come by between two reports.
"""

import math
import re
from dataclasses import dataclass

from governd.errors import RequestError

OUTCOMES = ("succeeded", "failed", "not_attempted")
PATHS = ("unary", "stream", "lease")
LATENCY_BOUNDS = (
    *(1e-6, 2e-6, 5e-6, 10e-6, 20e-6, 50e-6, 100e-6, 200e-6, 500e-6),
    *(1e-3, 2e-3, 5e-3, 10e-3, 50e-3, 100e-3),
)
"""Seconds up to which each count of ``AnswerLatencies`` goes; the last has no bound."""
MAX_COUNT = 10_000_000
MAX_ANSWER_SECONDS = 3_600.0
"""On average, of the answers in one report."""
MAX_SECONDS = 86_400.0
_DECISION_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one decision.

    Attributes:
        decision_id: Of the answer.
        outcome: One of ``OUTCOMES``.
        seconds: How long the action took; ``None`` where that is not said.
    """

    decision_id: str
    outcome: str
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class LeaseUse:
    """How often a leased answer was used beyond the first time.

    Attributes:
        decision_id: Of the answer.
        uses: Since the last report.
    """

    decision_id: str
    uses: int


@dataclass(frozen=True, slots=True)
class AnswerLatencies:
    """How long answers took, as the client's code saw it.

    Attributes:
        path: One of ``PATHS``: how the answers came.
        counts: Answers up to each of ``LATENCY_BOUNDS``, then above.
        seconds: The sum of all.
    """

    path: str
    counts: tuple[int, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Report:
    """All that a caller says at once.

    Attributes:
        outcomes: Of decisions.
        lease_uses: Of leased answers.
        latencies: One for each path at most.
    """

    outcomes: tuple[Outcome, ...] = ()
    lease_uses: tuple[LeaseUse, ...] = ()
    latencies: tuple[AnswerLatencies, ...] = ()


def check_decision_id(text: str, *, field: str) -> str:
    """A decision id, as answers carry it.

    Raises:
        RequestError: It is not one.
    """
    if not _DECISION_ID.fullmatch(text):
        _refuse(field, "expected the 32 lower-case hex digits of an answer's decision_id")
    return text


def check_count(number: int, *, field: str, least: int = 0) -> int:
    """A number of times.

    Raises:
        RequestError: It is below ``least`` or above ``MAX_COUNT``.
    """
    if not least <= number <= MAX_COUNT:
        _refuse(field, f"expected {least} to {MAX_COUNT}")
    return number


def check_seconds(seconds: float, *, field: str, most: float = MAX_SECONDS) -> float:
    """A length of time.

    Raises:
        RequestError: It is negative, not a number, or above ``most``.
    """
    if not (math.isfinite(seconds) and 0 <= seconds <= most):
        _refuse(field, f"expected 0 to {most:g} seconds")
    return seconds


def check_counts(counts: tuple[int, ...], *, field: str) -> tuple[int, ...]:
    """The counts of a histogram.

    Raises:
        RequestError: They are not one for each bound and one above, or too high.
    """
    if len(counts) != len(LATENCY_BOUNDS) + 1:
        _refuse(field, f"expected {len(LATENCY_BOUNDS) + 1} numbers, not {len(counts)}")
    return tuple(check_count(one, field=field) for one in counts)


def _refuse(field: str, problem: str) -> None:
    message = f"{field}: {problem}"
    raise RequestError(message, field=field)
