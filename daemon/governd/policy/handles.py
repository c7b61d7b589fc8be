"""Parsed policies for each kind of question, shared between callers.

Most questions have the same few candidates, so a handle is kept for each set of them,
in a cache that is bounded by the text it was made of. Tenants: a tenant's policies count
for its own callers only, and its permits only for what is the tenant's.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import cachetools
import cedarpy

from governd.policy.entities import Placed, Placement, Uid
from governd.policy.filed import FiledPolicies, FiledPolicy
from governd.policy.likeness import Looks, looks_united
from governd.policy.named_resources import NamedResources
from governd.policy.reads import Arguments, united
from governd.policy.slices import Met, Slices

MAX_CACHED_CHARS = 4 << 20
"""Of the JSON text of cached handles; in memory each takes some times as much."""
MAX_FACTS = 256
"""Sets of candidates of which it is kept what they look at."""
_CARD = frozenset({"kya"})


class Owned(Protocol):
    """What has an effect and belongs to a tenant, or to the platform."""

    @property
    def tenant(self) -> str:
        """Whose it is; ``""`` for the platform's."""

    @property
    def effect(self) -> str:
        """``permit`` or ``forbid``."""


class _Ownership(NamedTuple):
    tenant: str
    effect: str


class SetKey(NamedTuple):
    """Which policies count for a question.

    Attributes:
        tenant: Of the subject; ``""`` for none.
        foreign: The resource is not the tenant's, so that only its forbids count.
    """

    tenant: str
    foreign: bool

    def counts(self, policy: Owned) -> bool:
        """Whether a policy counts."""
        if not policy.tenant:
            return True
        return policy.tenant == self.tenant and not (self.foreign and policy.effect == "permit")


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one set of candidates without asking them.

    Attributes:
        mentioned: Entities that their conditions name.
        arguments: Of the arguments of a call, those that any of them looks at.
        delegation: Of what is known of a delegation, likewise.
        kya: Whether any of them looks at what the subject's card says.
        looks: What else those of them look at that are enforced.
        hopes: What the permits among these look at.
    """

    mentioned: frozenset[Uid]
    arguments: Arguments
    delegation: Arguments
    kya: bool
    looks: Looks
    hopes: Looks


@dataclass(frozen=True, slots=True)
class PolicySets:
    """Handles of one set of candidates.

    Attributes:
        enforced: What decides.
        with_shadow: The same with shadow policies in force; ``None`` without any.
        facts: What is known of them.
        chars: Of the text they were made of.
    """

    enforced: cedarpy.PolicySet
    with_shadow: cedarpy.PolicySet | None
    facts: Facts
    chars: int


class Handles:
    """Handles by what is asked."""

    def __init__(self, policies: FiledPolicies) -> None:
        """Has no policy filed, and makes no handle yet."""
        self._policies = policies
        self._slices = Slices()
        self._owned: dict[int, _Ownership] = {}
        self._facts: cachetools.LRUCache[tuple[int, ...], Facts] = cachetools.LRUCache(MAX_FACTS)
        self.named = NamedResources()
        self.made: cachetools.LRUCache[tuple[int, ...], PolicySets]
        self._large: tuple[tuple[int, ...], PolicySets] | None = None
        self.made = cachetools.LRUCache(MAX_CACHED_CHARS, getsizeof=lambda one: one.chars)

    def file(self, place: int, policy: FiledPolicy) -> None:
        """Files a policy that stands at a place."""
        self._slices.file(place, policy.scope)
        self.named.add(policy)
        if policy.tenant:
            self._owned[place] = _Ownership(policy.tenant, policy.effect)

    def sets(self, key: SetKey, asked: Placement) -> PolicySets:
        """The handles of the policies that can apply to a question.

        Args:
            key: Which policies count.
            asked: Who asks for what, and where they stand.
        """
        return self.at(self.candidates(key, *map(self.met, asked)))

    def met(self, placed: Placed) -> Met:
        """What an entity has that candidates are found by."""
        return self._slices.met(placed)

    def candidates(self, key: SetKey, *met: Met) -> tuple[int, ...]:
        """Places of the policies that can apply.

        Args:
            key: Which policies count.
            met: What principal, action and resource meet.
        """
        owned = self._owned
        found = self._slices.candidates(*met)
        return tuple(one for one in found if one not in owned or key.counts(owned[one]))

    def at(self, places: tuple[int, ...]) -> PolicySets:
        """The handles of the policies at some places, in ascending order."""
        sets = self.made.get(places)
        if sets is None and self._large is not None and self._large[0] == places:
            sets = self._large[1]
        if sets is None:
            sets = self._make(places)
            if sets.chars <= MAX_CACHED_CHARS:
                self.made[places] = sets
            else:  # parsing it again for each question would hold everybody up
                self._large = (places, sets)
        return sets

    def facts(self, places: tuple[int, ...]) -> Facts:
        """What is known of the policies at some places."""
        facts = self._facts.get(places)
        if facts is None:
            facts = _facts(self._policies.at(place) for place in places)
            self._facts[places] = facts
        return facts

    def _make(self, places: tuple[int, ...]) -> PolicySets:
        facts = self.facts(places)
        enforced = [one for one in places if not self._policies.at(one).traits.shadow]
        handle, chars = self._policy_set(enforced)
        if len(enforced) == len(places):
            return PolicySets(handle, None, facts, chars)
        with_shadow, more = self._policy_set(places)
        return PolicySets(handle, with_shadow, facts, chars + more)

    def _policy_set(self, places: Iterable[int]) -> tuple[cedarpy.PolicySet, int]:
        """A handle in which policies have the ids that answers name, and its text's length."""
        text = self._policies.text(places)
        return cedarpy.PolicySet.from_json_str(text), len(text)


def _facts(policies: Iterable[FiledPolicy]) -> Facts:
    policies = tuple(policies)
    enforced = [one for one in policies if not one.traits.shadow]
    return Facts(
        mentioned=frozenset(uid for one in policies for uid in one.mentioned),
        arguments=united(one.arguments for one in policies),
        delegation=united(one.delegation for one in policies),
        kya=any(one.looks.depends_on(_CARD) for one in policies),
        looks=looks_united(one.looks for one in enforced),
        hopes=looks_united(one.looks for one in enforced if one.effect == "permit"),
    )
