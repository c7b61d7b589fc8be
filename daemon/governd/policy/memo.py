"""Verdicts that were just given, for questions that come again.

A verdict is forgotten when the epoch changes, when the policy's age leaves the range for
which it holds, and after a short time in any case. What a question has in it besides its
names is its arguments, which count by their digest, and its circumstances: what was decided
for one user is nothing to another. Who asserted the subject, and whether the circumstances
still hold, is checked before anything is remembered or looked up.
"""

from typing import NamedTuple

from governd.policy.delegated import Circumstances
from governd.policy.question import Names, Question
from governd.policy.recent import Recent
from governd.policy.verdict import Verdict

MAX_SECONDS = 10.0
"""How long a verdict is remembered, whatever else holds."""
MAX_CHARS = 4 << 20
"""Of the names in all keys."""


class _Remembered(NamedTuple):
    verdict: Verdict
    until: float


_Key = tuple[Names, str, Circumstances]


class Memo:
    """Verdicts of one epoch."""

    def __init__(self, *, max_chars: int = MAX_CHARS, max_seconds: float = MAX_SECONDS) -> None:
        """Remembers nothing yet."""
        self._max_seconds = max_seconds
        self._epoch = ""
        self._held: Recent[_Key, _Remembered] = Recent(max_chars)

    def find(
        self, epoch: str, question: Question, *, now: float, age_seconds: float
    ) -> Verdict | None:
        """The verdict on a question, if it is remembered and still holds.

        Args:
            epoch: Of now.
            question: What is asked.
            now: Monotonic seconds.
            age_seconds: The policy's age now.
        """
        if epoch != self._epoch:
            return None
        found = self._held.get(_key(question))
        if found is None:
            return None
        verdict, until = found
        return verdict if now < until and verdict.holds(age_seconds) else None

    def keep(self, epoch: str, question: Question, verdict: Verdict, *, now: float) -> None:
        """Remembers a verdict given at ``now``; those of another epoch are forgotten."""
        if epoch != self._epoch:
            self._held.clear()
            self._epoch = epoch
        held = _Remembered(verdict, now + self._max_seconds)
        chars = question.names.chars + question.circumstances.chars
        self._held.keep(_key(question), held, chars)


def _key(question: Question) -> _Key:
    return question.names, question.arguments.digest, question.circumstances
