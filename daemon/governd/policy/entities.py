"""The graph of entities that policies are about, and the part one question can reach.

Cedar's cost grows with the entities it is handed, so each question gets only what an
evaluation can reach: principal, action and resource, their ancestors, what their
attributes refer to, and the entities that policies mention. Handles of such parts are
shared between questions in a bounded cache.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import cachetools
import cedarpy

from governd.errors import RequestError
from governd.identity import SpiffeId
from governd.policy.manifest import Grant

REVOKED_GROUP = "revoked"
MAX_CACHED_CHARS = 2 << 20
"""Of the JSON text of cached handles; in memory each takes about nine times as much."""


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


Entity = Mapping[str, Any]
"""An entity in Cedar's JSON form, with explicit ``__entity`` and ``__extn``."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What grants give, by whom they give it to.

    Attributes:
        names: Capability names by agent, group or namespace.
        destructive: Tool ids by the same.
    """

    names: Mapping[Uid, frozenset[str]] = field(default_factory=dict)
    destructive: Mapping[Uid, frozenset[str]] = field(default_factory=dict)


def add_grants(grants: Iterable[Grant]) -> Capabilities:
    """Adds up grants; several for one holder are united."""
    names: dict[Uid, frozenset[str]] = {}
    destructive: dict[Uid, frozenset[str]] = {}
    for grant in grants:
        for holder in _holders(grant):
            names[holder] = names.get(holder, frozenset()) | set(grant.capabilities)
            destructive[holder] = destructive.get(holder, frozenset()) | set(grant.destructive)
    return Capabilities(names, destructive)


def _holders(grant: Grant) -> Iterator[Uid]:
    yield from (Uid("Agent", agent) for agent in grant.agents)
    yield from (Uid("Group", group) for group in grant.groups)
    yield from (Uid("Namespace", namespace) for namespace in grant.namespaces)


class Placed(NamedTuple):
    """An entity with all that it is in.

    Attributes:
        uid: The entity.
        ancestors: Every entity above it.
    """

    uid: Uid
    ancestors: frozenset[Uid]


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
    grants give to that.
    """

    def __init__(
        self,
        records: Mapping[Uid, Entity],
        capabilities: Capabilities,
        *,
        trust_domain: str,
        revoked: frozenset[str],
        mentioned: frozenset[Uid],
    ) -> None:
        """Takes the graph's parts.

        Args:
            records: Entities by name, actions among them, agents as far as listed.
            capabilities: What grants give.
            trust_domain: Of the namespaces.
            revoked: SPIFFE IDs on the deny-list.
            mentioned: Entities that conditions of policies name.
        """
        self._records = records
        self._capabilities = capabilities
        self._trust_domain = trust_domain
        self._revoked = revoked
        self._mentioned = mentioned
        self._parts: cachetools.LRUCache[tuple[Uid, Uid, Uid], Part]
        self._parts = cachetools.LRUCache(MAX_CACHED_CHARS, getsizeof=lambda one: one.chars)

    def reachable(
        self, principal: Uid, action: Uid, resource: Uid, extra: Mapping[Uid, Entity]
    ) -> Part:
        """The part of the graph that an evaluation of one question can reach.

        Args:
            principal: An agent.
            action: Cedar's action.
            resource: The resource.
            extra: Records of this question only, such as a resource that is not listed;
                determined by ``resource``.
        """
        key = (principal, action, resource)
        part = self._parts.get(key)
        if part is None:
            text = json.dumps(list(self._closure([*key, *self._mentioned], extra)))
            entities = cedarpy.Entities.from_json_str(text)
            who, what, which = (Placed(uid, self._above(uid, extra)) for uid in key)
            part = Part(who, what, which, entities, len(text))
            if part.chars <= MAX_CACHED_CHARS:
                self._parts[key] = part
        return part

    def _above(self, uid: Uid, extra: Mapping[Uid, Entity]) -> frozenset[Uid]:
        record = self.record(uid, extra)
        return frozenset(self._ancestors(record["parents"] if record else ()))

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
        return (extra or {}).get(uid) or self._records.get(uid)

    def _agent(self, uid: Uid) -> Entity | None:
        try:
            spiffe_id = SpiffeId.parse(uid.id)
        except RequestError:
            return None  # a file refers to what nobody can be
        listed = self._records.get(uid, {})
        parents = [*listed.get("parents", ()), *self._given_parents(spiffe_id)]
        holders = {uid, *self._ancestors(parents)}
        return {
            "uid": uid.json(),
            "parents": parents,
            "attrs": {
                "capabilities": sorted(_united(self._capabilities.names, holders)),
                "destructive": [
                    {"__entity": {"type": "Tool", "id": tool}}
                    for tool in sorted(_united(self._capabilities.destructive, holders))
                ],
            },
            "tags": listed.get("tags", {}),
        }

    def _given_parents(self, spiffe_id: SpiffeId) -> list[dict[str, str]]:
        """Namespace, from the SPIFFE ID; and the group of the revoked."""
        parents = []
        if spiffe_id.namespace and spiffe_id.trust_domain == self._trust_domain:
            parents.append(Uid("Namespace", spiffe_id.namespace).json())
        if str(spiffe_id) in self._revoked:
            parents.append(Uid("Group", REVOKED_GROUP).json())
        return parents

    def _ancestors(self, parents: Iterable[Mapping[str, str]]) -> set[Uid]:
        seen: set[Uid] = set()
        todo = _uids(parents)
        while todo:
            uid = todo.pop()
            if uid not in seen:
                seen.add(uid)
                todo.extend(_uids(self._records.get(uid, {}).get("parents", ())))
        return seen


def _united(given: Mapping[Uid, frozenset[str]], holders: set[Uid]) -> frozenset[str]:
    return frozenset().union(*(given.get(holder, frozenset()) for holder in holders))


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
