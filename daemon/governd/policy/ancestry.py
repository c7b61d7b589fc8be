"""How the listed entities of a policy are in one another, held to limits.

Cedar writes out every ancestor of every entity: a chain of n groups, a file of a few
hundred kilobytes, makes n²/2 pairs of them, and gigabytes. So they are counted before
Cedar is asked, over all files together, and no further than the limits reach.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from governd.errors import PolicyError, Problem
from governd.policy.entities import Uid
from governd.policy.tenancy import named_entity

MAX_LEVELS = 32
"""Groups in groups above one entity."""
MAX_PAIRS = 200_000
"""Pairs of an entity and one of its ancestors in a whole source."""

_TOO_DEEP = f"is in more than {MAX_LEVELS} levels of others"


def uid_of(reference: object) -> Uid:
    """The entity that a ``uid`` or parent names, in either of Cedar's forms.

    What names none, which ``tenancy`` refuses, becomes a name that Cedar refuses.
    """
    return Uid(*(named_entity(reference) or ("", "")))


def parents_of(entity: Mapping[str, Any]) -> list[Uid]:
    """What an entity is directly in."""
    return [uid_of(parent) for parent in entity.get("parents", ())]


def refuse_tangled(entities: Mapping[str, Iterable[Mapping[str, Any]]]) -> None:
    """Holds entities, by the file they stand in, to the limits.

    Raises:
        PolicyError: One is in itself, too deep, or all are in too many; with file and name.
    """
    ancestry = _Ancestry()
    for file, listed in entities.items():
        for entity in listed:
            ancestry.add(file, uid_of(entity.get("uid")), parents_of(entity))
    ancestry.measure()


class _Ancestry:
    """Finds ancestors without recursion, on a path that is never longer than allowed."""

    def __init__(self) -> None:
        self._files: dict[Uid, str] = {}
        self._parents: dict[Uid, list[Uid]] = {}
        self._levels: dict[Uid, int] = {}
        self._above: dict[Uid, set[Uid]] = {}
        self._pairs = 0

    def add(self, file: str, uid: Uid, parents: list[Uid]) -> None:
        self._files.setdefault(uid, file)
        self._parents.setdefault(uid, []).extend(parents)

    def measure(self) -> None:
        holders = dict.fromkeys(one for parents in self._parents.values() for one in parents)
        for uid in holders:
            self._climb(uid)
        for uid in self._parents:
            if uid not in holders:  # most entities: what they are in is not asked for again
                self._count(uid)

    def _climb(self, start: Uid) -> None:
        path = {start: iter(self._parents.get(start, ()))}
        while path:
            uid, parents = path.popitem()
            parent = next((one for one in parents if one not in self._above), None)
            if parent is None:
                self._above[uid] = self._count(uid)
                continue
            path[uid] = parents
            if parent in path:
                self._refuse(parent, "is in itself")
            if len(path) > MAX_LEVELS:
                self._refuse(start, _TOO_DEEP)
            path[parent] = iter(self._parents.get(parent, ()))

    def _count(self, uid: Uid) -> set[Uid]:
        parents = self._parents.get(uid, ())
        self._levels[uid] = 1 + max((self._levels[one] for one in parents), default=-1)
        if self._levels[uid] > MAX_LEVELS:
            self._refuse(uid, _TOO_DEEP)
        found = set(parents).union(*(self._above[one] for one in parents))
        self._pairs += len(found)
        if self._pairs > MAX_PAIRS:
            self._refuse(uid, f"is one too many: entities are in more than {MAX_PAIRS} others")
        return found

    def _refuse(self, uid: Uid, message: str) -> NoReturn:
        file = self._files[uid]
        raise PolicyError([Problem(file, 0, f'entities: {uid.type}::"{uid.id}" {message}')])
