"""What is allowed in a policy source but is probably not meant.

Everything that is wrong for certain is refused when a source is read. These are second
looks for a policy's author.
"""

import difflib
from collections.abc import Collection, Iterator

from governd.errors import Problem
from governd.policy.bundle import BASE, PolicyRecord, PolicySource
from governd.policy.crowds import crowds
from governd.policy.entities import mentioned_entities
from governd.policy.given import REVOKED_GROUP
from governd.policy.layout import MANIFEST
from governd.policy.lint_calls import NamesOfTools, scope_entities
from governd.policy.lint_context import NamesOfContext, user_problems
from governd.policy.lint_tokens import NamesOfTokens, upstream_problems
from governd.policy.lint_tools import registers_tools, tool_problems
from governd.policy.tenancy import named_entity

_OURS = ("explicit_denial", "id", "max_staleness", "mode", "no_lease", "obligation")
_ALL = {"op": "All"}
_SURE = 0.75


def lint(source: PolicySource) -> list[Problem]:
    """Second looks at a source that reads and compiles, by file and line."""
    found = [
        *_manifest(source),
        *upstream_problems(source),
        *_policies(source),
        *_crowds(source),
        *_grants(source),
        *tool_problems(source),
        *user_problems(source),
    ]
    return sorted(found, key=lambda one: (one.file, one.line, one.message))


def _manifest(source: PolicySource) -> Iterator[Problem]:
    if source.manifest.files is None:
        message = "files: not given, so a policy file that goes missing goes unnoticed"
        yield Problem(MANIFEST, 0, message)


def _policies(source: PolicySource) -> Iterator[Problem]:
    groups = _groups(source)
    names = NamesOfTools(source), NamesOfContext(source), NamesOfTokens(source)
    for policy in source.policies:
        if policy.statement.file == BASE:
            continue
        looks = (message for one in names for message in one.problems(policy))
        said = (*_policy(policy), *_unknown_groups(policy, groups), *looks)
        for message in said:
            yield Problem(policy.statement.file, policy.statement.line, f"policy: {message}")


def _policy(policy: PolicyRecord) -> Iterator[str]:
    if not policy.traits.id:
        yield f"has no @id; answers call it {policy.id}, which changes when policies move"
    for name in policy.est.get("annotations", {}):
        close = difflib.get_close_matches(name, _OURS, n=1, cutoff=_SURE)
        if close and name not in _OURS:
            yield f"@{name} means nothing here; is it @{close[0]}?"
    if all(policy.est[part] == _ALL for part in ("principal", "action", "resource")):
        yield "constrains nothing in its scope, so it is evaluated for every question"
        if policy.effect == "permit" and not policy.est["conditions"]:
            yield "permits everything to everyone"


def _unknown_groups(policy: PolicyRecord, known: Collection[str]) -> Iterator[str]:
    named = {*mentioned_entities(policy.est["conditions"]), *scope_entities(policy.est)}
    for uid in sorted(named):
        if uid.type == "Group" and uid.id not in known:
            yield f'Group::"{uid.id}" is in no entities.json, so nobody is in it'


def _groups(source: PolicySource) -> set[str]:
    """Groups that are listed or have somebody in them."""
    groups = {REVOKED_GROUP}
    for entity in (entity for entities in source.entities.values() for entity in entities):
        named = [named_entity(one) for one in (entity["uid"], *entity.get("parents", ()))]
        groups.update(uid[1] for uid in named if uid and uid[0] == "Group")
    return groups


def _crowds(source: PolicySource) -> Iterator[Problem]:
    theirs = (policy for policy in source.policies if policy.statement.file != BASE)
    for crowd in crowds(theirs):
        statement = crowd.first.statement
        message = (
            f"policy: is one of {crowd.size} that are put to every question of its scope;"
            " name principals, groups or resources in their scopes"
        )
        yield Problem(statement.file, statement.line, message)


def _grants(source: PolicySource) -> Iterator[Problem]:
    tools = (tool for server in source.servers.values() for tool in server.tools.values())
    required = {name for tool in tools for name in tool.requires}
    groups, open_ended = _groups(source), registers_tools(source)
    for file, grants in source.grants.items():
        for grant in grants:
            unused = () if open_ended else sorted(set(grant.capabilities) - required)
            for name in unused:
                yield Problem(file, 0, f"capabilities: no tool requires {name}")
            for name in sorted(set(grant.groups) - groups):
                yield Problem(file, 0, f"groups: {name} is in no entities.json")
