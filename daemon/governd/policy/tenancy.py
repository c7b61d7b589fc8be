"""What a tenant may say.

A tenant's folder decides about the tenant's own callers and nothing else: it names no
agents, groups or capabilities outside, and gives its agents nothing that the platform
did not put under the tenant's name. Groups and capabilities of a tenant begin with its
name and a slash. The platform, tenant ``""``, may say anything but what governd derives
itself.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from governd.errors import RequestError
from governd.identity import SpiffeId
from governd.policy.manifest import Grant, Manifest

_DERIVED_TYPES = frozenset({"Action", "McpServer", "Tool", "Resource", "Prompt", "Namespace"})


def policy_problems(manifest: Manifest, tenant: str, est: Mapping[str, Any]) -> Iterator[str]:
    """What a tenant's policy names that is not the tenant's."""
    if not tenant:
        return
    for kind, name in _named(est):
        if kind == "Agent" and not _covers(manifest, tenant, name):
            yield f'policy: names Agent::"{name}", which is outside tenant {tenant}'


def entity_problems(manifest: Manifest, tenant: str, entities: Iterable[Any]) -> Iterator[str]:
    """What is wrong with entities as platform or tenant states them."""
    for entity in entities:
        uid = _uid(entity)
        if uid is None:
            yield 'an entity has no "uid" with "type" and "id"'
            continue
        kind, name = uid
        if kind in _DERIVED_TYPES:
            yield f'{kind}::"{name}": governd makes these itself, from tools/ and SPIFFE IDs'
        elif kind == "Agent":
            yield from _agent_problems(manifest, tenant, name, entity)
        elif tenant and not name.startswith(tenant + "/"):
            yield f'{kind}::"{name}": entities of tenant {tenant} begin with "{tenant}/"'
        if tenant:
            yield from _parent_problems(tenant, name, entity)


def grant_problems(manifest: Manifest, tenant: str, grants: Iterable[Grant]) -> Iterator[str]:
    """What a tenant grants that is not the tenant's to grant."""
    if not tenant:
        return
    own = next(known for known in manifest.tenant if known.name == tenant)
    for grant in grants:
        for agent in grant.agents:
            if not _covers(manifest, tenant, agent):
                yield f"agents: {agent} is outside tenant {tenant}"
        for name in (*grant.groups, *grant.capabilities):
            if not name.startswith(tenant + "/"):
                yield f'{name}: groups and capabilities of a tenant begin with "{tenant}/"'
        for namespace in grant.namespaces:
            if namespace not in own.namespaces:
                yield f"namespaces: {namespace} is outside tenant {tenant}"
        if grant.destructive:
            yield "destructive: only the platform grants destructive tools by name"


def _covers(manifest: Manifest, tenant: str, spiffe_id: str) -> bool:
    try:
        return manifest.tenant_of(SpiffeId.parse(spiffe_id)) == tenant
    except RequestError:
        return False


def _agent_problems(
    manifest: Manifest, tenant: str, name: str, entity: Mapping[str, Any]
) -> Iterator[str]:
    try:
        SpiffeId.parse(name)
    except RequestError as error:
        yield f'Agent::"{name}": {error}'
        return
    if entity.get("attrs"):
        yield f'Agent::"{name}": has attrs; use tags, and grants.toml for capabilities'
    if tenant and not _covers(manifest, tenant, name):
        yield f'Agent::"{name}": is outside tenant {tenant}'


def _parent_problems(tenant: str, name: str, entity: Mapping[str, Any]) -> Iterator[str]:
    parents = entity.get("parents")
    for parent in parents if isinstance(parents, list) else ():
        group = _entity(parent)
        if group is None or not group[1].startswith(tenant + "/"):
            yield f'"{name}": parents of a tenant\'s entities begin with "{tenant}/"'


def _uid(entity: object) -> tuple[str, str] | None:
    return _entity(entity.get("uid")) if isinstance(entity, dict) else None


def _entity(value: object) -> tuple[str, str] | None:
    """Type and id of a reference in either of Cedar's JSON forms."""
    if isinstance(value, dict):
        value = value.get("__entity", value)
    if isinstance(value, dict):
        kind, name = value.get("type"), value.get("id")
        if isinstance(kind, str) and isinstance(name, str):
            return kind, name
    return None


def _named(est: object) -> Iterator[tuple[str, str]]:
    """Every entity that a policy names, in scope or conditions."""
    todo = [est]
    while todo:
        item = todo.pop()
        if isinstance(item, list):
            todo.extend(item)
        elif isinstance(item, dict):
            if item.keys() == {"type", "id"} and (found := _entity(item)):
                yield found
            todo.extend(item.values())
