"""From a policy source to something that answers questions.

Types every policy against the schema (governd's, the extension's and one action per
tool), builds the graph of entities, and files the policies by what their scopes demand.
Takes values, returns values, and holds no lock: it may run in a thread.

Invariant: a compiled policy is complete or it is not made; nothing is dropped because it
did not fit.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import cedarpy

from governd.errors import PolicyError, Problem
from governd.policy.bundle import PolicyRecord, PolicySource
from governd.policy.entities import Entity, EntityGraph, Uid, add_grants, mentioned_entities
from governd.policy.handles import Handles
from governd.policy.layout import SCHEMA
from governd.policy.manifest import Manifest
from governd.policy.parameters import Record
from governd.policy.records import entity_records
from governd.policy.tools import CALL, Hints, Server, Tool

_ENTITY_TYPE = re.compile(r"^entity ([A-Za-z_][\w:]*)", re.MULTILINE)
_POLICY_PREFIX = re.compile(r"^for policy `[^`]*`,? ?")

# The base policy is about the group of all tools' actions, which must not be empty.
_NO_TOOL = Tool("", "", "", (), Hints(), Record()).schema()


@dataclass(frozen=True, slots=True)
class CompiledPolicy:
    """A policy that answers questions. Immutable but for caches.

    Attributes:
        digest: Of the source.
        manifest: Of the source.
        schema: The whole schema.
        actions: Declared actions that can be asked about, tools aside.
        types: Declared entity types.
        policies: Every policy by id.
        handles: The policies, parsed, by what is asked.
        graph: The entities.
        servers: Declared MCP servers by name.
    """

    digest: str
    manifest: Manifest
    schema: cedarpy.Schema
    actions: frozenset[str]
    types: frozenset[str]
    policies: Mapping[str, PolicyRecord]
    handles: Handles
    graph: EntityGraph
    servers: Mapping[str, Server]

    def tool(self, resource_id: str) -> Tool | None:
        """The tool ``<server>/<name>``, by its exact name."""
        server, _, name = resource_id.partition("/")
        found = self.servers.get(server)
        return found.tools.get(name) if found else None


def compile_policy(source: PolicySource, base_schema: str) -> CompiledPolicy:
    """Compiles a policy source.

    Args:
        source: What was read.
        base_schema: The text of governd's schema.

    Raises:
        PolicyError: Types do not fit; with every policy that is wrong.
    """
    schema = _schema(source, base_schema)
    _validate(source.policies, schema)
    records = entity_records(source, schema)
    actions = _actions(records)
    return CompiledPolicy(
        digest=source.digest,
        manifest=source.manifest,
        schema=schema,
        actions=frozenset(action for action in actions if not f"{action}:".startswith(f"{CALL}:")),
        types=frozenset(_ENTITY_TYPE.findall(str(schema))),
        policies={policy.id: policy for policy in source.policies},
        handles=Handles(source.policies),
        graph=_graph(source, records),
        servers=source.servers,
    )


def _schema(source: PolicySource, base_schema: str) -> cedarpy.Schema:
    tools = [tool for server in source.servers.values() for tool in server.tools.values()]
    declared = [tool.schema() for tool in tools] or [_NO_TOOL]
    text = "\n".join([base_schema, *declared, source.schema])
    try:
        return cedarpy.Schema.from_str(text, release_gil=True)
    except ValueError as error:  # the rest is made by governd and always fits
        raise PolicyError([Problem(SCHEMA, 0, f"schema: {error}")]) from error


def _validate(policies: list[PolicyRecord], schema: cedarpy.Schema) -> None:
    text = "\n".join(policy.statement.text for policy in policies)
    result = cedarpy.validate_policies(text, schema, release_gil=True)
    # INVARIANT: Cedar numbers policies in the order of the text.
    numbered = {f"policy{ordinal}": policy for ordinal, policy in enumerate(policies)}
    found: dict[str, set[str]] = {name: set() for name in numbered}
    for error in result.errors:
        found[error.policy_id].add(_POLICY_PREFIX.sub("", error.error))
    wrong = {name: messages for name, messages in found.items() if messages}
    if wrong or not result.validation_passed:
        raise PolicyError([_mistyped(numbered[name], wrong[name]) for name in wrong])


def _mistyped(policy: PolicyRecord, messages: set[str]) -> Problem:
    """One problem for a policy: the same mistake comes once for each action it fits."""
    first, *more = sorted(messages)
    rest = f" (and {len(more)} more like it)" if more else ""
    return Problem(policy.statement.file, policy.statement.line, f"policy: {first}{rest}")


def _actions(records: Mapping[Uid, Entity]) -> set[str]:
    return {uid.id for uid in records if uid.type == "Action"}


def _graph(source: PolicySource, records: Mapping[Uid, Entity]) -> EntityGraph:
    conditions = [policy.est.get("conditions", []) for policy in source.policies]
    return EntityGraph(
        records,
        add_grants(grant for grants in source.grants.values() for grant in grants),
        trust_domain=source.manifest.trust_domain,
        revoked=frozenset(source.manifest.revoked.subjects),
        mentioned=frozenset(mentioned_entities(conditions)),
    )
