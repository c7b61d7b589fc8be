"""How long to wait before trying again what failed.

Waits double from 50 ms to 5 s, each shortened at random by up to half, so that many who
failed together do not come back together.
"""

import random
from collections.abc import Callable

FIRST_SECONDS = 0.05
LONGEST_SECONDS = 5.0


class Backoff:
    """The waits of one who tries again and again."""

    def __init__(self, spread: Callable[[], float] = random.random) -> None:
        """Begins with the shortest; ``spread`` is between 0 and 1, another each time."""
        self._spread = spread
        self._longest = FIRST_SECONDS

    def next(self, lasted: float) -> float:
        """The seconds to wait now.

        Args:
            lasted: How long it went well before it failed. As long as the longest wait:
                that was no failure like those before, and the waits begin anew.
        """
        if lasted >= LONGEST_SECONDS:
            self._longest = FIRST_SECONDS
        seconds = self._longest * (1 - self._spread() / 2)
        self._longest = min(LONGEST_SECONDS, self._longest * 2)
        return seconds
