"""A decision, and for which ages of the policy it is the same.

A decision is a pure function of question, policy and the policy's age, and age counts only
where a permit says ``@max_staleness``. So it holds from one such limit to the next, and
may be remembered that long.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from governd.policy.decision import Decision


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows for a question while the policy's age is in ``(above, upto]``.

    Attributes:
        decision: With the longest lease that it can have.
        above: The greatest limit that the age has passed, in seconds.
        upto: The least limit that it has not.
    """

    decision: Decision
    above: float = -math.inf
    upto: float = math.inf

    def holds(self, age_seconds: float) -> bool:
        """Whether it is what would be decided at that age."""
        return self.above < age_seconds <= self.upto

    def at(self, age_seconds: float, seconds_left: float = math.inf) -> Decision:
        """The decision at an age for which it holds: a lease ends where it ends.

        Args:
            age_seconds: Of the policy.
            seconds_left: Until the question's circumstances end.
        """
        rest = min(self.upto - age_seconds, seconds_left)
        if self.decision.lease_seconds <= rest:
            return self.decision
        return replace(self.decision, lease_seconds=max(0.0, rest))


def between(decision: Decision, limits: Iterable[float], age_seconds: float) -> Verdict:
    """The verdict of a decision at an age, between the limits next to it."""
    limits = tuple(limits)
    return Verdict(
        decision,
        above=max((one for one in limits if one < age_seconds), default=-math.inf),
        upto=min((one for one in limits if one >= age_seconds), default=math.inf),
    )
