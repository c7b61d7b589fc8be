"""What a tenant may say.

A tenant's folder decides about the tenant's own callers and nothing else: it names no
agents, users, groups, namespaces or capabilities outside. Its permits count for what is
the tenant's and for servers that the manifest lets it use (``inquiry``). Groups and
capabilities of a tenant begin with its name and a slash, and only its own are in them.
The platform, tenant ``""``, may say anything but what governd derives itself.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from governd.errors import RequestError
from governd.identity import SpiffeId
from governd.policy.manifest import Grant, Manifest, Tenant

_MEMBERS = ("uid", "parents", "attrs", "tags")
_RESOURCES = frozenset({"Action", "ExternalService", "McpServer", "Prompt", "Resource", "Tool"})
_DERIVED_TYPES = frozenset({"Action", "McpServer", "Tool", "Resource", "Prompt", "Namespace"})


def policy_problems(manifest: Manifest, tenant: str, est: Mapping[str, Any]) -> Iterator[str]:
    """What a policy names that is nobody's name, or not the tenant's."""
    for kind, name in _named(est):
        if kind == "Agent" and not _is_spiffe_id(name):
            yield f'policy: names Agent::"{name}", which is not a SPIFFE ID'
        elif tenant and _is_foreign(manifest, tenant, kind, name):
            yield f'policy: names {kind}::"{name}", which is outside tenant {tenant}'


def entity_problems(manifest: Manifest, tenant: str, entities: Iterable[Any]) -> Iterator[str]:
    """What is wrong with entities as platform or tenant states them."""
    for entity in entities:
        uid = _uid(entity)
        if uid is None:
            yield 'an entity has no "uid" with "type" and "id"'
            continue
        kind, name = uid
        for member in sorted(entity.keys() - _MEMBERS):
            yield f'{kind}::"{name}": has the member "{member}", expected {", ".join(_MEMBERS)}'
        if kind in _DERIVED_TYPES:
            yield f'{kind}::"{name}": governd makes these itself, from tools/ and SPIFFE IDs'
        elif kind == "Agent":
            yield from _agent_problems(manifest, tenant, name, entity)
        elif tenant and not name.startswith(tenant + "/"):
            yield f'{kind}::"{name}": entities of tenant {tenant} begin with "{tenant}/"'
        if tenant:
            yield from _reference_problems(manifest, tenant, uid, entity)
        yield from _parent_problems(manifest, tenant, uid, entity)


def grant_problems(manifest: Manifest, tenant: str, grants: Iterable[Grant]) -> Iterator[str]:
    """What a tenant grants that is not the tenant's to grant."""
    if not tenant:
        return
    own = _tenant(manifest, tenant)
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
    return _is_spiffe_id(spiffe_id) and manifest.tenant_of(SpiffeId.parse(spiffe_id)) == tenant


def _is_spiffe_id(text: str) -> bool:
    try:
        SpiffeId.parse(text)
    except RequestError:
        return False
    return True


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


def _reference_problems(
    manifest: Manifest, tenant: str, uid: tuple[str, str], entity: Mapping[str, Any]
) -> Iterator[str]:
    for kind, name in _named([entity.get("attrs"), entity.get("tags")]):
        if _is_foreign(manifest, tenant, kind, name):
            yield f'{uid[0]}::"{uid[1]}": refers to {kind}::"{name}", outside tenant {tenant}'


def _parent_problems(
    manifest: Manifest, tenant: str, uid: tuple[str, str], entity: Mapping[str, Any]
) -> Iterator[str]:
    kind, name = uid
    parents = entity.get("parents", [])
    if not isinstance(parents, list):
        yield f'{kind}::"{name}": "parents" must be an array'
        return
    for parent in parents:
        group = named_entity(parent)
        if group is None:
            yield f'{kind}::"{name}": has a parent without "type" and "id"'
        elif tenant and not group[1].startswith(tenant + "/"):
            yield f'"{name}": parents of a tenant\'s entities begin with "{tenant}/"'
        elif not tenant and not _may_be_in(manifest, uid, group[1]):
            yield f'{kind}::"{name}": is in "{group[1]}", which is for a tenant\'s own'


def _may_be_in(manifest: Manifest, uid: tuple[str, str], group: str) -> bool:
    """Whether a group is not a tenant's, or has this member by right."""
    owner = group.partition("/")[0]
    if "/" not in group or owner not in {tenant.name for tenant in manifest.tenant}:
        return True
    kind, name = uid
    return _covers(manifest, owner, name) if kind == "Agent" else name.startswith(owner + "/")


def _uid(entity: object) -> tuple[str, str] | None:
    return named_entity(entity.get("uid")) if isinstance(entity, dict) else None


def named_entity(value: object) -> tuple[str, str] | None:
    """Type and id of a reference in either of Cedar's JSON forms."""
    if isinstance(value, dict):
        value = value.get("__entity", value)
    if isinstance(value, dict):
        kind, name = value.get("type"), value.get("id")
        if isinstance(kind, str) and isinstance(name, str):
            return kind, name
    return None


def _tenant(manifest: Manifest, name: str) -> Tenant:
    return next(known for known in manifest.tenant if known.name == name)


def _is_foreign(manifest: Manifest, tenant: str, kind: str, name: str) -> bool:
    """Whether a tenant may not name an entity. What can be asked for, it may name."""
    if kind == "Agent":
        return not _covers(manifest, tenant, name)
    if kind == "Namespace":
        return name not in _tenant(manifest, tenant).namespaces
    return kind not in _RESOURCES and not name.startswith(tenant + "/")


def _named(value: object) -> Iterator[tuple[str, str]]:
    """Every entity that a policy names in scope or conditions, or an entity refers to."""
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, list):
            todo.extend(item)
        elif isinstance(item, dict):
            if item.keys() == {"type", "id"} and (found := named_entity(item)):
                yield found
            todo.extend(item.values())
