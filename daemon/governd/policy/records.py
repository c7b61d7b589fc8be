"""The records of a policy's entities: those that its files list, those that are derived.

Servers and tools come from ``tools/``, actions from the schema; Cedar holds all of them to
the schema and brings them into one form, once they are known not to be too many in one
another (``ancestry``). Left to others: what a record amounts to for one
question (``entities``).
"""

import json
from collections.abc import Iterable
from typing import Any

import cedarpy

from governd.errors import PolicyError, Problem
from governd.policy.ancestry import parents_of, refuse_tangled, uid_of
from governd.policy.bundle import PolicySource
from governd.policy.entities import Entity, Uid
from governd.policy.given import REVOKED_GROUP
from governd.policy.tools import CALL, Server, Tool

_REVOKED = Uid("Group", REVOKED_GROUP).json()


def entity_records(source: PolicySource, schema: cedarpy.Schema) -> dict[Uid, Entity]:
    """Every listed or derived entity, and the actions, normalised by Cedar.

    Raises:
        PolicyError: Entities do not fit the schema, or are stated twice, with each; or are
            in too many others.
    """
    refuse_tangled(source.entities)
    revoked = frozenset(source.manifest.revoked.subjects)
    derived = list(_derived(source.servers.values(), revoked))
    records: dict[Uid, Entity] = {}
    problems: list[Problem] = []
    for file, entities in [("tools", derived), *source.entities.items()]:
        try:
            handle = _handle(entities, schema)
        except (ValueError, RecursionError) as error:
            problems += [Problem(file, 0, said) for said in _unfit(entities, schema, error)]
            continue
        for entity in json.loads(str(handle)):
            uid = Uid(**entity["uid"])
            if uid in records and uid.type != "Action":
                problems.append(Problem(file, 0, f'{uid.type}::"{uid.id}" is stated twice'))
            records[uid] = entity
    if problems:
        raise PolicyError(problems)
    return records


def _handle(entities: Iterable[dict[str, Any]], schema: cedarpy.Schema) -> cedarpy.Entities:
    text = json.dumps([_whole(entity) for entity in entities])
    return cedarpy.Entities.from_json_str(text, schema, release_gil=True)


def _unfit(
    entities: Iterable[dict[str, Any]], schema: cedarpy.Schema, error: Exception
) -> list[str]:
    """The entities that do not fit: Cedar does not name them, so each is tried alone."""
    found: list[str] = []
    for entity in entities:
        try:
            _handle([entity], schema)
        except (ValueError, RecursionError) as alone:
            uid = uid_of(entity["uid"])
            found.append(f'entities: {uid.type}::"{uid.id}": {alone}')
    return found or [f"entities: {error}"]


def _whole(entity: dict[str, Any]) -> dict[str, Any]:
    """An entity in Cedar's plain form; an agent with what governd adds, to fit the schema."""
    uid = uid_of(entity["uid"])
    parents = [parent.json() for parent in parents_of(entity)]
    whole = {"attrs": {}, **entity, "uid": uid.json(), "parents": parents}
    if uid.type == "Agent":
        whole["attrs"] = {"capabilities": [], "destructive": []}
    return whole


def _derived(servers: Iterable[Server], revoked: frozenset[str]) -> Iterable[dict[str, Any]]:
    for server in servers:
        parents = [_REVOKED] if str(server.spiffe_id) in revoked else []
        requires = {name for tool in server.tools.values() for name in tool.requires}
        yield {
            "uid": {"type": "McpServer", "id": server.name},
            "attrs": {"capabilities": sorted(requires)},
            "parents": parents,
        }
        yield from (tool_entity(tool) for tool in server.tools.values())


def tool_entity(tool: Tool) -> dict[str, Any]:
    """The record of a tool, as Cedar leaves it."""
    return {
        "uid": {"type": "Tool", "id": tool.id},
        "attrs": {
            "name": tool.name,
            "requires": list(tool.requires),
            "destructive": tool.destructive,
            "idempotent": tool.hints.idempotent,
            "open_world": tool.hints.open_world,
            "read_only": tool.hints.read_only,
        },
        "parents": [{"type": "McpServer", "id": tool.server}],
    }


def action_entity(action: Uid) -> dict[str, Any]:
    """The record of a call of one tool, as Cedar leaves it."""
    parents = [Uid("Action", CALL).json()]
    return {"uid": action.json(), "attrs": {}, "parents": parents}
