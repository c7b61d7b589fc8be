"""A policy as a compiled form has it: what is needed to ask it and to tell of it."""

import functools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic import TypeAdapter
from pydantic_core import to_json

from governd.policy.annotations import Traits
from governd.policy.bundle import PolicyRecord
from governd.policy.entities import Uid, mentioned_entities
from governd.policy.likeness import Looks, looks_of
from governd.policy.reads import Arguments, arguments_read, delegation_read
from governd.policy.shelf import Shelf, line_at
from governd.policy.slices import Scope, scope_of


class Place(NamedTuple):
    """Where a policy is written.

    Attributes:
        file: Path within the policy source.
        line: From 1.
    """

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class FiledPolicy:
    """One policy, compiled.

    Attributes:
        id: Its id in answers.
        effect: ``permit`` or ``forbid``.
        tenant: Whose it is; ``""`` for the platform's.
        statement: File and line.
        traits: Its annotations.
        scope: What its scope demands.
        mentioned: Entities that its conditions name.
        arguments: Of the arguments of a call, those that its conditions look at.
        delegation: Of what is known of a delegation, likewise.
        looks: At what else they look.
    """

    id: str
    effect: str
    tenant: str
    statement: Place
    traits: Traits
    scope: Scope
    mentioned: tuple[Uid, ...]
    arguments: Arguments
    delegation: Arguments
    looks: Looks


def write_policy(policy: PolicyRecord) -> tuple[bytes, bytes]:
    """A policy as two lines: what is to be known of it, and a member of Cedar's JSON form."""
    filed = FiledPolicy(
        id=policy.id,
        effect=policy.effect,
        tenant=policy.tenant,
        statement=Place(policy.statement.file, policy.statement.line),
        traits=policy.traits,
        scope=scope_of(policy.est),
        mentioned=tuple(sorted(set(mentioned_entities(policy.est["conditions"])))),
        arguments=arguments_read(policy.est["conditions"]),
        delegation=delegation_read(policy.est["conditions"]),
        looks=looks_of(policy.est["conditions"]),
    )
    member = json.dumps({policy.id: policy.est}, separators=(",", ":"))
    return to_json(filed), member.encode()


class FiledPolicies(Shelf[str, FiledPolicy]):
    """Policies by id, in the order of the source; a policy's place is where its line begins."""

    def __init__(self, content: bytes) -> None:
        """Begins empty, over the lines that ``write_policy`` made."""
        super().__init__(content, _codec().validate_json)
        self._content = content

    def est(self, policy_id: str) -> Mapping[str, Any]:
        """A policy in Cedar's JSON form."""
        found: Mapping[str, Any] = json.loads(self._member(self._places[policy_id]))[policy_id]
        return found

    def text(self, places: Iterable[int]) -> str:
        """Cedar's JSON form of a set of policies, put together without reading it."""
        members = b",".join(self._member(place)[1:-1] for place in places).decode()
        return f'{{"staticPolicies":{{{members}}},"templates":{{}},"templateLinks":[]}}'

    def _member(self, place: int) -> bytes:
        return line_at(self._content, self._content.index(b"\n", place) + 1)


@functools.cache
def _codec() -> TypeAdapter[FiledPolicy]:
    """Made when something is read: who only writes need not wait for it."""
    return TypeAdapter(FiledPolicy)
