"""Room in a memory that serves many, and that none of them fills alone."""

from collections import Counter

from governd.identity import SpiffeId


class Shares:
    """Who holds how much of some room.

    Nobody gets more than is left for everybody else: one holds half of it at most, two a third
    each. So there is room for whoever comes next, and those who hold little lose nothing to
    one who asks for all.
    """

    def __init__(self, most: int) -> None:
        """There is room for so many things."""
        self._left = most
        self._held = Counter[SpiffeId]()

    def take(self, whose: SpiffeId) -> bool:
        """Takes room for one thing more; ``False`` where there is none for it."""
        if self._held[whose] >= self._left:
            return False
        self._held[whose] += 1
        self._left -= 1
        return True

    def give_back(self, whose: SpiffeId) -> None:
        """One of those things is gone."""
        self._left += 1
        self._held[whose] -= 1
        if not self._held[whose]:
            del self._held[whose]
