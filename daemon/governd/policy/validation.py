"""Holds every policy to the types of the schema.

Cedar checks a policy against every action there is, and each tool is an action: 10,000
policies and as many tools took minutes. A policy whose scope names the tools that it is
about is checked against a schema that has no others; that is enough, because where the
scope does not fit, Cedar looks no further. What does not pass that (it may mention another
tool) is checked against everything, and only then refused.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import cedarpy

from governd.errors import Problem
from governd.policy.bundle import PolicyRecord, PolicySource
from governd.policy.tools import CALL, Tool

TOOLS_AT_ONCE = 64
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
    tools = {tool.action: tool for one in source.servers.values() for tool in one.tools.values()}
    fine: set[str] = set()
    if len(tools) > TOOLS_AT_ONCE:
        for few, policies in _batches(source.policies, tools):
            fine |= _passing(policies, schema_of(few))
    rest = [policy for policy in source.policies if policy.id not in fine]
    return [_problem(policy, said) for policy, said in _errors(rest, whole) if said]


def _batches(
    policies: Iterable[PolicyRecord], tools: Mapping[str, Tool]
) -> Iterator[tuple[list[Tool], list[PolicyRecord]]]:
    """Policies about the same few tools, with these."""
    about: dict[str, Tool] = {}
    batch: list[PolicyRecord] = []
    for names, policy in sorted(_named(policies), key=lambda one: one[0]):
        if len(about.keys() | set(names)) > TOOLS_AT_ONCE:
            yield list(about.values()), batch
            about, batch = {}, []
        about.update((name, tools[name]) for name in names if name in tools)
        batch.append(policy)
    yield list(about.values()), batch


def _named(policies: Iterable[PolicyRecord]) -> Iterator[tuple[list[str], PolicyRecord]]:
    """Policies whose scope names only tools to be called, and the actions that it names."""
    for policy in policies:
        names = _actions(policy.est["action"])
        if names and all(name.startswith(f"{CALL}:") for name in names):
            yield names, policy


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
