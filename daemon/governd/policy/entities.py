"""The graph of entities that policies are about, and the part one question can reach.

Cedar's cost grows with the entities it is handed, so each question gets only what an
evaluation can reach: principal, action and resource, their ancestors, what their
attributes refer to, and the entities that the policies in question mention.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import cedarpy

from governd.errors import RequestError
from governd.identity import SpiffeId
from governd.policy.given import REVOKED_GROUP, Given, Held
from governd.policy.overlay import Overlay


class Uid(NamedTuple):
    """A Cedar entity's name.

    Attributes:
        type: Its Cedar type.
        id: Its id.
    """

    type: str
    id: str

    def json(self) -> dict[str, str]:
        """As Cedar's JSON form has it."""
        return {"type": self.type, "id": self.id}


_REVOKED = Uid("Group", REVOKED_GROUP)

Name = tuple[str, str]
"""An entity's type and id; a ``Uid`` is one."""

Entity = Mapping[str, Any]
"""An entity in Cedar's JSON form, with explicit ``__entity`` and ``__extn``."""


class Placed(NamedTuple):
    """An entity with all that it is in.

    Attributes:
        uid: The entity.
        ancestors: Every entity above it.
    """

    uid: Uid
    ancestors: frozenset[Uid]


class Placement(NamedTuple):
    """Who asks for what, and where they stand.

    Attributes:
        principal: Who asks.
        action: Cedar's action.
        resource: What it is done to.
    """

    principal: Placed
    action: Placed
    resource: Placed


class Part(NamedTuple):
    """The part of the graph that the evaluation of a question can reach.

    Attributes:
        principal: Who asks.
        action: Cedar's action.
        resource: What it is done to.
        entities: The part, as Cedar takes it.
        chars: The length of its JSON text.
    """

    principal: Placed
    action: Placed
    resource: Placed
    entities: cedarpy.Entities
    chars: int


class EntityGraph:
    """All entities of a policy.

    Agents need not be listed: one that is not is an agent in its namespace with what
    grants give to that. Nor need users, who are in nothing then.

    Attributes:
        given: What governd itself puts entities into.
    """

    def __init__(
        self,
        records: Mapping[Name, Entity],
        held: Mapping[Name, Held],
        given: Given,
    ) -> None:
        """Takes the graph's parts.

        Args:
            records: Entities by name, actions among them, agents as far as listed.
            held: What grants give to agents, groups and namespaces.
            given: What governd itself puts entities into.
        """
        self._records = records
        self._held = held
        self.given = given

    def over(self, records: Mapping[Name, Entity], given: Given) -> "EntityGraph":
        """The same graph, but for some records and for what governd itself says."""
        # Not copied: records are read when they are asked for.
        return EntityGraph(Overlay(records, self._records), self._held, given)

    def place(
        self, principal: Uid, action: Uid, resource: Uid, extra: Mapping[Uid, Entity]
    ) -> Placement:
        """Who asks for what, and where they stand.

        Args:
            principal: An agent.
            action: Cedar's action.
            resource: The resource.
            extra: Records of this question only, such as a resource that is not listed.
        """
        return Placement(*(self.placed(uid, extra) for uid in (principal, action, resource)))

    def placed(self, uid: Uid, extra: Mapping[Uid, Entity]) -> Placed:
        """One entity, with all that it is in."""
        record = self.record(uid, extra)
        return Placed(uid, self.above(record["parents"] if record else ()))

    def reachable(
        self, asked: Placement, mentioned: Iterable[Uid], extra: Mapping[Uid, Entity]
    ) -> Part:
        """The part of the graph that an evaluation of one question can reach.

        Args:
            asked: Who asks for what.
            mentioned: What conditions of the policies that can apply name.
            extra: As ``place`` had it.
        """
        entities, chars = self.around((*(placed.uid for placed in asked), *mentioned), extra)
        return Part(*asked, entities, chars)

    def around(
        self, roots: Iterable[Uid], extra: Mapping[Uid, Entity]
    ) -> tuple[cedarpy.Entities, int]:
        """All that can be reached from some entities, and the length of its JSON text."""
        text = json.dumps(list(self._closure(list(roots), extra)))
        return cedarpy.Entities.from_json_str(text), len(text)

    def _closure(self, roots: list[Uid], extra: Mapping[Uid, Entity]) -> Iterator[Entity]:
        seen: set[Uid] = set()
        while roots:
            uid = roots.pop()
            if uid in seen:
                continue
            seen.add(uid)
            record = self.record(uid, extra)
            if record is not None:
                yield record
                roots.extend(_references(record))

    def record(self, uid: Uid, extra: Mapping[Uid, Entity] | None = None) -> Entity | None:
        """One entity; ``None`` where there is none of that name."""
        if uid.type == "Agent":
            return self._agent(uid)
        record = (extra or {}).get(uid) or self._records.get(uid)
        if uid.type == "User":
            return _within(uid, record, self.given.of_user(uid.id))
        if uid.type == "ExternalService" and (above := self.given.of_service(uid.id)):
            return _within(uid, record, above)
        return record

    def is_revoked(self, uid: Uid) -> bool:
        """Whether an agent or a user is on the deny-list, or in the group of the revoked."""
        return _REVOKED in self.placed(uid, {}).ancestors

    def _agent(self, uid: Uid) -> Entity | None:
        try:
            spiffe_id = SpiffeId.parse(uid.id)
        except RequestError:
            return None  # a file refers to what nobody can be
        listed = self._records.get(uid, {})
        parents = [*listed.get("parents", ()), *self.given.of_agent(spiffe_id)]
        held = [self._held[one] for one in {uid, *self.above(parents)} if one in self._held]
        tools = {tool for one in held for tool in one.destructive}
        return {
            "uid": uid.json(),
            "parents": parents,
            "attrs": {
                "capabilities": sorted({name for one in held for name in one.capabilities}),
                "destructive": [{"__entity": Uid("Tool", tool).json()} for tool in sorted(tools)],
            },
            "tags": listed.get("tags", {}),
        }

    def above(self, parents: Iterable[Mapping[str, str]]) -> frozenset[Uid]:
        """All that something with some parents is in."""
        seen: set[Uid] = set()
        todo = _uids(parents)
        while todo:
            uid = todo.pop()
            if uid not in seen:
                seen.add(uid)
                todo.extend(_uids(self._records.get(uid, {}).get("parents", ())))
        return frozenset(seen)


def _within(uid: Uid, record: Entity | None, parents: Iterable[Mapping[str, str]]) -> Entity:
    """An entity, listed or not, with further parents."""
    listed = record or {"uid": uid.json(), "attrs": {}, "parents": []}
    return {**listed, "parents": [*listed["parents"], *parents]}


def _uids(references: Iterable[Mapping[str, str]]) -> list[Uid]:
    return [Uid(one["type"], one["id"]) for one in references]


def _references(record: Entity) -> Iterator[Uid]:
    yield from _uids(record["parents"])
    yield from mentioned_entities([record["attrs"], record.get("tags", {})])


def mentioned_entities(value: object) -> Iterator[Uid]:
    """Every entity that a JSON value refers to by ``__entity``."""
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, list):
            todo.extend(item)
        elif isinstance(item, dict):
            entity = item.get("__entity")
            # A record in a policy may have a member of that name, too.
            if isinstance(entity, dict) and entity.keys() == {"type", "id"}:
                yield Uid(entity["type"], entity["id"])
            todo.extend(item.values())
