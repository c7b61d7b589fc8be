"""Parsed policies for each kind of question, shared between callers.

Most questions have the same few candidates, so a handle is kept for each set of them,
in a cache that is bounded by the text it was made of. Tenants: a tenant's policies count
for its own callers only, and its permits only for what is the tenant's.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import cachetools
import cedarpy

from governd.policy.bundle import PolicyRecord
from governd.policy.entities import Part
from governd.policy.slices import Slices

MAX_CACHED_CHARS = 4 << 20
"""Of the JSON text of cached handles; in memory each takes some times as much."""
MAX_QUESTIONS = 8_192
"""For how many principals, actions and resources the handle is remembered."""


class SetKey(NamedTuple):
    """Which policies count for a question.

    Attributes:
        tenant: Of the subject; ``""`` for none.
        foreign: The resource is not the tenant's, so that only its forbids count.
    """

    tenant: str
    foreign: bool

    def counts(self, policy: PolicyRecord) -> bool:
        """Whether a policy counts."""
        if not policy.tenant:
            return True
        return policy.tenant == self.tenant and not (self.foreign and policy.effect == "permit")


@dataclass(frozen=True, slots=True)
class PolicySets:
    """Handles of one set of candidates.

    Attributes:
        enforced: What decides.
        with_shadow: The same with shadow policies in force; ``None`` without any.
        chars: Of the text they were made of.
    """

    enforced: cedarpy.PolicySet
    with_shadow: cedarpy.PolicySet | None
    chars: int


class Handles:
    """Handles by what is asked."""

    def __init__(self, policies: Iterable[PolicyRecord]) -> None:
        """Makes no handle yet."""
        self._slices = Slices(policies)
        self._asked: cachetools.LRUCache[tuple[object, ...], PolicySets]
        self._asked = cachetools.LRUCache(MAX_QUESTIONS)
        self._made: cachetools.LRUCache[tuple[str, ...], PolicySets]
        self._made = cachetools.LRUCache(MAX_CACHED_CHARS, getsizeof=lambda one: one.chars)

    def sets(self, key: SetKey, part: Part) -> PolicySets:
        """The handles of the policies that can apply to a question.

        Args:
            key: Which policies count.
            part: Who asks for what, and where they stand.
        """
        asked = (key, part.principal.uid, part.action.uid, part.resource.uid)
        sets = self._asked.get(asked)
        if sets is None:
            found = self._slices.candidates(part.principal, part.action, part.resource)
            sets = self._of([policy for policy in found if key.counts(policy)])
            self._asked[asked] = sets
        return sets

    def _of(self, candidates: list[PolicyRecord]) -> PolicySets:
        names = tuple(policy.id for policy in candidates)
        sets = self._made.get(names)
        if sets is None:
            sets = _make(candidates)
            if sets.chars <= MAX_CACHED_CHARS:
                self._made[names] = sets
        return sets


def _make(candidates: list[PolicyRecord]) -> PolicySets:
    enforced = [policy for policy in candidates if not policy.traits.shadow]
    handle, chars = _policy_set(enforced)
    if len(enforced) == len(candidates):
        return PolicySets(handle, None, chars)
    with_shadow, more = _policy_set(candidates)
    return PolicySets(handle, with_shadow, chars + more)


def _policy_set(policies: Iterable[PolicyRecord]) -> tuple[cedarpy.PolicySet, int]:
    """A handle in which policies have the ids that answers name, and its text's length."""
    static = {policy.id: policy.est for policy in policies}
    text = json.dumps({"staticPolicies": static, "templates": {}, "templateLinks": []})
    return cedarpy.PolicySet.from_json_str(text), len(text)
