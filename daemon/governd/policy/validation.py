"""Holds every policy to the types of the schema.

Cedar checks a policy against every action there is, and each tool is an action: 10,000
policies and as many tools took minutes. So a policy is checked against a schema that has just
the tools that its scope names or, where it is about any tool, one of each kind that it can
tell apart (``alike``). That is enough: where the scope does not fit, Cedar looks no further,
and of a tool's type it sees the arguments that the policy looks at. What does not pass that
(it may mention another tool) is checked against everything, and only then refused.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import cedarpy

from governd.errors import Problem
from governd.policy.alike import AlikeTools
from governd.policy.bundle import PolicyRecord, PolicySource
from governd.policy.entities import mentioned_entities
from governd.policy.reads import arguments_read
from governd.policy.spelling import is_it
from governd.policy.tools import CALL, Server, Tool

TOOLS_AT_ONCE = 16
_POLICY_PREFIX = re.compile(r"^for policy `[^`]*`,? ?")

SchemaOf = Callable[[Iterable[Tool]], str]
"""The text of the schema that has some tools."""


def mistyped(source: PolicySource, schema_of: SchemaOf, whole: cedarpy.Schema) -> list[Problem]:
    """Every policy that does not fit the schema, with what is wrong.

    Args:
        source: What was read.
        schema_of: Makes the schema for some of its tools.
        whole: The schema for all of them.
    """
    wrong = _undeclared(source, whole)
    left = [policy for policy in source.policies if policy.id not in wrong]
    fine: set[str] = set()
    tools = {tool.action: tool for one in source.servers.values() for tool in one.tools.values()}
    if len(tools) > TOOLS_AT_ONCE:
        for few, policies in _batches(left, tools):
            fine |= _passing(policies, schema_of(few))
    left = [policy for policy in left if policy.id not in fine]
    wrong |= {policy.id: said for policy, said in _errors(left, whole) if said}
    return [_problem(policy, wrong[policy.id]) for policy in source.policies if policy.id in wrong]


def _undeclared(source: PolicySource, schema: cedarpy.Schema) -> dict[str, set[str]]:
    """Policies that name actions that are not there: Cedar says only that none is applicable."""
    entities = json.loads(str(cedarpy.Entities.from_json_str("[]", schema)))
    declared = {one["uid"]["id"] for one in entities}
    meant: dict[str, str] = {}
    wrong: dict[str, set[str]] = {}
    for policy in source.policies:
        for name in _all_actions(policy) - declared:
            if name not in meant:
                meant[name] = _meant(name, declared, source.servers)
            said = f'names Action::"{name}", which nothing declares{meant[name]}'
            wrong.setdefault(policy.id, set()).add(said)
    return wrong


def _all_actions(policy: PolicyRecord) -> set[str]:
    named = mentioned_entities(policy.est["conditions"])
    return {*_actions(policy.est["action"]), *(uid.id for uid in named if uid.type == "Action")}


def _meant(name: str, declared: Iterable[str], servers: Mapping[str, Server]) -> str:
    tool = name.removeprefix(f"{CALL}:")
    if tool == name:
        return is_it(name, declared)
    server = servers.get(tool.partition("/")[0])
    if server and not server.tools:
        return f'; {server.name} registers its tools itself: say resource == Tool::"{tool}"'
    return is_it(tool, (one.id for server in servers.values() for one in server.tools.values()))


def _batches(
    policies: Iterable[PolicyRecord], tools: Mapping[str, Tool]
) -> Iterator[tuple[list[Tool], list[PolicyRecord]]]:
    """Policies about the same few tools, with these."""
    about: dict[str, Tool] = {}
    batch: list[PolicyRecord] = []
    for names, policy in sorted(_enough(policies, tools), key=lambda one: one[0]):
        if len(about.keys() | set(names)) > TOOLS_AT_ONCE:
            yield list(about.values()), batch
            about, batch = {}, []
        about.update((name, tools[name]) for name in names if name in tools)
        batch.append(policy)
    yield list(about.values()), batch


def _enough(
    policies: Iterable[PolicyRecord], tools: Mapping[str, Tool]
) -> Iterator[tuple[list[str], PolicyRecord]]:
    """Policies, each with the actions of the tools that are enough to check it against."""
    alike = AlikeTools(tools.values())
    for policy in policies:
        names, conditions = _actions(policy.est["action"]), policy.est["conditions"]
        if names and all(name.startswith(f"{CALL}:") for name in names):
            yield names, policy
            continue
        looks_at = arguments_read(conditions)
        by_name = any(uid.type == "Action" for uid in mentioned_entities(conditions))
        if looks_at is not None and not by_name:
            yield sorted({*names, *alike.one_of_each(looks_at)}), policy


def _actions(scope: Mapping[str, Any]) -> list[str]:
    entities = scope.get("entities") or [scope.get("entity")]
    return sorted({one["id"] for one in entities if one})


def _passing(policies: Sequence[PolicyRecord], schema: str) -> set[str]:
    """Ids of the policies that fit; none where an extension needs tools that are left out."""
    try:
        few = cedarpy.Schema.from_str(schema, release_gil=True)
    except ValueError:
        return set()
    return {policy.id for policy, said in _errors(policies, few) if not said}


def _errors(
    policies: Sequence[PolicyRecord], schema: cedarpy.Schema
) -> Iterator[tuple[PolicyRecord, set[str]]]:
    """Each policy with what is wrong with it."""
    text = "\n".join(policy.statement.text for policy in policies)
    result = cedarpy.validate_policies(text, schema, release_gil=True)
    # INVARIANT: Cedar numbers policies in the order of the text.
    said: dict[str, set[str]] = {f"policy{number}": set() for number in range(len(policies))}
    for error in result.errors:
        said[error.policy_id].add(_POLICY_PREFIX.sub("", error.error))
    return zip(policies, said.values(), strict=True)


def _problem(policy: PolicyRecord, said: set[str]) -> Problem:
    """One problem for a policy: the same mistake comes once for each action it fits."""
    first, *more = sorted(said)
    rest = f" (and {len(more)} more like it)" if more else ""
    return Problem(policy.statement.file, policy.statement.line, f"policy: {first}{rest}")
