"""Second looks at what policies say of tokens, and at upstreams.

Cedar compares any texts: a forbid that waits for an upstream or a scope that no upstream has
forbids nothing.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from governd.errors import Problem
from governd.policy.bundle import PolicyRecord, PolicySource
from governd.policy.entities import mentioned_entities
from governd.policy.layout import MANIFEST
from governd.policy.lint_calls import scope_entities
from governd.policy.spelling import is_it
from governd.policy.upstream_lookup import EXCHANGE

_TOKEN = {".": {"left": {"Var": "context"}, "attr": "token"}}
_UPSTREAM = {".": {"left": _TOKEN, "attr": "upstream"}}
_SCOPES = {".": {"left": _TOKEN, "attr": "scopes"}}
_ACTION = {"type": "Action", "id": EXCHANGE}


class NamesOfTokens:
    """Which names of upstreams, scopes and services mean something."""

    def __init__(self, source: PolicySource) -> None:
        """Takes them from a source."""
        upstreams = source.manifest.upstream
        self._services = {one.service for one in upstreams}
        self._names = {one.name for one in upstreams}
        self._scopes = {scope for one in upstreams for scope in one.scopes}

    def problems(self, policy: PolicyRecord) -> Iterator[str]:
        """What a policy names that no upstream is or has."""
        conditions = policy.est["conditions"]
        for name in sorted(set(_compared(conditions, _UPSTREAM)) - self._names):
            yield f"names the upstream {name}, which is not in {MANIFEST}{is_it(name, self._names)}"
        for scope in sorted(set(_compared(conditions, _SCOPES)) - self._scopes):
            yield f"names the scope {scope}, which no upstream has{is_it(scope, self._scopes)}"
        if policy.est["action"].get("entity") == _ACTION:
            named = {*scope_entities(policy.est), *mentioned_entities(conditions)}
            services = {uid.id for uid in named if uid.type == "ExternalService"}
            for service in sorted(services - self._services):
                said = f'names ExternalService::"{service}", which no upstream is'
                yield f"{said}{is_it(service, self._services)}"


def upstream_problems(source: PolicySource) -> Iterator[Problem]:
    """What is odd about upstreams and authorization servers."""
    manifest = source.manifest
    for upstream in manifest.upstream:
        if upstream.actor == "unsafe_none":
            said = 'actor: "unsafe_none": nothing says who acts for the user'
            yield Problem(MANIFEST, 0, f"upstream: {upstream.name}: {said}")
    servers = ((one.authorization_server, one.identity_provider) for one in manifest.upstream)
    used = {name for names in servers for name in names}
    for server in manifest.authorization_server:
        if server.name not in used:
            yield Problem(MANIFEST, 0, f"authorization_server: no upstream names {server.name}")


def _compared(value: object, member: Mapping[str, Any]) -> Iterator[str]:
    """Texts that a member is compared with, or has to contain or to be in."""
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, list):
            todo.extend(item)
        elif isinstance(item, dict):
            todo.extend(item.values())
            if member in (item.get("left"), item.get("right")):
                yield from _texts([item.get("left"), item.get("right")])


def _texts(value: object) -> Iterator[str]:
    """Literals, and those of sets of literals."""
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, list):
            todo.extend(item)
        elif isinstance(item, dict):
            literal = item.get("Value")
            if isinstance(literal, str):
                yield literal
            todo.append(item.get("Set"))
