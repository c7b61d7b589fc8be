"""Tells whoever watches how far the bench is."""

import time
from collections.abc import Callable, Iterator, Mapping


class Progress:
    """How far it is, and about how long it takes yet.

    What is left is reckoned from what each scenario took on the machine of the published
    numbers, not from this one's pace.
    """

    def __init__(self, seconds: Mapping[str, float], say: Callable[[str], None]) -> None:
        """Takes how long each scenario takes, in their order, and where to tell it."""
        self._seconds = dict(seconds)
        self._say = say
        self._now = ""
        self._began = 0.0

    def begin(self, name: str) -> None:
        """A scenario begins."""
        self._seconds.pop(self._now, None)
        self._now, self._began = name, time.monotonic()
        self._say(f"== {name}: {len(self._seconds)} to go, {self._left()}")

    def rounds(self, count: int) -> Iterator[int]:
        """Counts rounds of the scenario that is on, from 0, and tells of each."""
        for number in range(count):
            self._say(f"   {self._now}, run {number + 1} of {count}; {self._left()}")
            yield number

    def _left(self) -> str:
        gone = time.monotonic() - self._began
        rest = [seconds for name, seconds in self._seconds.items() if name != self._now]
        seconds = sum(rest) + max(self._seconds[self._now] - gone, 0.0)
        return (
            f"about {seconds / 60:.0f} min left" if seconds > 90 else f"about {seconds:.0f} s left"
        )
