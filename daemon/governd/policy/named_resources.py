"""MCP resources that policies name, one by one.

A resource template stands for all that it expands to, most of which nobody ever heard of.
The few that a policy names may be permitted where all others are not.
"""

import bisect
import itertools
from collections.abc import Iterator

from governd.policy.filed import FiledPolicy

_UNASKED = "\n"
"""No question is about a resource with a control character in its id."""


class NamedResources:
    """Ids of resources, ``<server>/<uri>``, in order."""

    def __init__(self) -> None:
        """Knows none yet."""
        self._ids: list[tuple[str, str]] = []

    def add(self, policy: FiledPolicy) -> None:
        """Adds what a policy names, in its scope or its conditions."""
        for one in _named(policy):
            item = (one.casefold(), one)
            place = bisect.bisect_left(self._ids, item)
            if self._ids[place : place + 1] != [item]:
                self._ids.insert(place, item)

    def beginning_with(self, prefix: str, most: int) -> list[str]:
        """The ids that begin with a prefix, in whatever case, and no more than ``most``."""
        folded = prefix.casefold()
        places = range(bisect.bisect_left(self._ids, (folded,)), len(self._ids))
        found = (self._ids[place] for place in places)
        fitting = itertools.takewhile(lambda one: one[0].startswith(folded), found)
        return [one for _, one in itertools.islice(fitting, most)]

    def unnamed(self, server: str) -> str:
        """An id that no policy names, and no question has."""
        name = f"{server}/{_UNASKED}"
        while self.beginning_with(name, 1):
            name += _UNASKED
        return name


def _named(policy: FiledPolicy) -> Iterator[str]:
    for demand in policy.scope[2]:
        kind, _, name = demand.partition(" Resource::")
        if kind in {"==", "in"}:
            yield name
    yield from (uid.id for uid in policy.mentioned if uid.type == "Resource")
