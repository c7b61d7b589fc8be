"""What registrations amount to under a policy.

A registration adds to the policy source: tools of its own, and what they and others require
(``effective``). What is quarantined counts for nothing, and is denied. What a server offers
no more is judged by what was seen of it last: leaving something out ends no quarantine, and
what a declared tool required stays required. Left to others: why something is quarantined
(``quarantine``), what becomes of each (``standing``), who has a name (``lookalikes``).

Invariant: a pure function of the policy and of registrations by content; in which order
they come does not matter.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from governd.policy.compiled import CompiledPolicy
from governd.policy.definitions import Kind
from governd.policy.entities import Entity, Uid
from governd.policy.lookalikes import NO_CONFLICT, Claims, Conflict
from governd.policy.offered import ENTITY_TYPES, Offered, literal_prefix
from governd.policy.quarantine import Case, QuarantineReason, is_sound
from governd.policy.records import action_entity, tool_entity
from governd.policy.registered import Key, Registered, Registration
from governd.policy.standing import Standing, declared_standing, standing
from governd.policy.tools import Tool

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

__all__ = ["Offering", "QuarantineReason", "Standing", "declared_standing", "offer"]


@dataclass(frozen=True, slots=True)
class Offering:
    """What registrations amount to.

    Attributes:
        offered: As questions need it.
        standings: Of everything registered, of declared tools that were, and of what
            is quarantined though it is not registered any more; by server, kind, name.
    """

    offered: Offered
    standings: Mapping[tuple[str, Kind, str], Standing]


class _Part(NamedTuple):
    """What one registration amounts to, and what that depends on beside the policy."""

    registration: Registration
    conflicts: Mapping[str, Conflict]
    offering: Offering


def offer(policy: CompiledPolicy, registrations: Iterable[Registration]) -> Offering:
    """What registrations amount to under a policy.

    Args:
        policy: The policy in force.
        registrations: One for each server; those of servers that the policy does not
            declare under the same SPIFFE ID, or has revoked, count for nothing.
    """
    counted = [one for one in registrations if _counts(policy, one)]
    counted.sort(key=lambda one: one.server)
    conflicts = _conflicts(policy, counted)
    parts = [_part(policy, one, conflicts.get(one.server, {})) for one in counted]
    offered = [one.offered for one in parts]
    return Offering(
        Offered(
            tools=_united(one.tools for one in offered),
            records=_united(one.records for one in offered),
            quarantined=frozenset(uid for one in offered for uid in one.quarantined),
            digests=_united([_pinned(policy), *(one.digests for one in offered)]),
            closed=_united(one.closed for one in offered),
            open=frozenset(uid for one in offered for uid in one.open),
        ),
        _united(one.standings for one in parts),
    )


def _pinned(policy: CompiledPolicy) -> dict[Uid, str]:
    """Digests that the policy source pins."""
    tools = (tool for server in policy.servers.values() for tool in server.tools.values())
    return {Uid(ENTITY_TYPES[Kind.TOOL], tool.id): tool.pin for tool in tools if tool.pin}


def _united(parts: Iterable[Mapping[_Key, _Value]]) -> dict[_Key, _Value]:
    found: dict[_Key, _Value] = {}
    for part in parts:
        found.update(part)
    return found


def _part(
    policy: CompiledPolicy, registration: Registration, conflicts: Mapping[str, Conflict]
) -> Offering:
    """What one registration amounts to; found out anew only where it has changed."""
    cache = policy.servers[registration.server].cache
    known: _Part | None = cache.get(_Part)
    if known and known.registration is registration and known.conflicts == conflicts:
        return known.offering
    tally = _Tally(policy, registration)
    seen = registration.last_seen()
    for kind, name in sorted(seen, key=lambda key: (key[0].value, key[1])):
        conflict = conflicts.get(name, NO_CONFLICT) if kind is Kind.TOOL else NO_CONFLICT
        tally.add((kind, name), seen[kind, name], conflict)
    offering = tally.offering()
    cache[_Part] = _Part(registration, conflicts, offering)
    return offering


class _Tally:
    """Counts what one server registered, and what it did before, one by one."""

    def __init__(self, policy: CompiledPolicy, registration: Registration) -> None:
        self._policy = policy
        self._registration = registration
        self._server = policy.servers[registration.server]
        self._standings: dict[tuple[str, Kind, str], Standing] = {}
        self._tools: dict[str, Tool] = {}
        self._records: dict[Uid, Entity] = {}
        self._required: set[str] = set()
        self._quarantined: set[Uid] = set()
        self._open: set[Uid] = set()
        self._digests: dict[Uid, str] = {}

    def add(self, key: Key, seen: Registered, conflict: Conflict) -> None:
        server, (kind, name) = self._server, key
        pin, offered = self._registration.pins.get(key), key in self._registration.registered
        declared = server.tools.get(name) if kind is Kind.TOOL else None
        found = standing(server, key, Case(seen, pin, declared, conflict), offered=offered)
        uid = Uid(ENTITY_TYPES[kind], f"{server.name}/{name}")
        if found.reasons or offered or declared is not None:
            self._standings[server.name, kind, name] = found
        if found.reasons:
            self._quarantined.add(uid)
            # Who may see the list should see it become shorter; what it says now is its own.
            self._required.update(pin.definition.requires if pin else ())
            return
        self._digests[uid] = seen.definition.digest
        if offered and kind is Kind.RESOURCE:
            self._open.add(uid)
        if found.tool is not None and (offered or declared is not None):
            self._count(uid, found.tool, declared)

    def _count(self, uid: Uid, tool: Tool, declared: Tool | None) -> None:
        self._required.update(tool.requires)
        if tool is not declared:
            self._take(uid, tool)

    def _take(self, uid: Uid, tool: Tool) -> None:
        """A tool that is not just as the policy source declares it."""
        self._tools[tool.id] = tool
        self._records[uid] = tool_entity(tool)
        if not tool.declared:
            action = Uid("Action", tool.action)
            self._records[action] = action_entity(action)

    def offering(self) -> Offering:
        records = {**self._records, **self._grown()}
        closed = self._closed()
        offered = Offered(
            self._tools,
            records,
            frozenset(self._quarantined),
            self._digests,
            {self._server.name: closed} if closed else {},
            frozenset(self._open if closed else ()),
        )
        return Offering(offered, self._standings)

    def _closed(self) -> tuple[str, ...]:
        """How resources begin that quarantined templates can expand to; the shortest only."""
        start, kind = len(self._server.name) + 1, ENTITY_TYPES[Kind.RESOURCE_TEMPLATE]
        templates = (uid.id[start:] for uid in self._quarantined if uid.type == kind)
        found: list[str] = []
        for prefix in sorted({literal_prefix(one) for one in templates}):
            if not found or not prefix.startswith(found[-1]):
                found.append(prefix)
        return tuple(found)

    def _grown(self) -> dict[Uid, Entity]:
        """The server's record, if its tools require more than the policy source knows."""
        uid = Uid("McpServer", self._server.name)
        record = self._policy.graph.record(uid)
        assert record is not None  # noqa: S101 - INVARIANT: every declared server has one
        known = set(record["attrs"]["capabilities"])
        if self._required <= known:
            return {}
        return {uid: {**record, "attrs": {"capabilities": sorted(self._required | known)}}}


def _counts(policy: CompiledPolicy, registration: Registration) -> bool:
    server = policy.servers.get(registration.server)
    if server is None or server.spiffe_id != registration.spiffe_id:
        return False
    return not policy.is_revoked(server.spiffe_id)


def _conflicts(
    policy: CompiledPolicy, registrations: Iterable[Registration]
) -> Mapping[str, Mapping[str, Conflict]]:
    """With whom undeclared tools, by server and name, conflict that were there before them.

    What was never in force comes last: it keeps nobody from a name. What was and has changed
    since keeps its place, or whoever waits for the name would get it with the next version.
    """
    undeclared = [
        (not is_sound(one.pins.get((kind, name))), now.claimed, one.server, place, name)
        for one in registrations
        for place, ((kind, name), now) in enumerate(one.registered.items())
        if kind is Kind.TOOL and name not in policy.servers[one.server].tools
    ]
    claims = Claims()
    for server in policy.servers.values() if undeclared else ():
        for name in server.tools:
            claims.add(server.name, name)
    found: dict[str, dict[str, Conflict]] = {}
    for _, _, server_name, _, name in sorted(undeclared):
        conflict = claims.add(server_name, name)
        if conflict is not None:
            found.setdefault(server_name, {})[name] = conflict
    return found
