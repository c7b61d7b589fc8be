"""Who looks at a list, and which of its entries are the same to the policies about that.

Two entries are alike for a subject if the same policies can apply to both, and if what
those look at (``likeness``) is the same of both: what they are in, the attributes that are
looked at, whether they are in what the subject holds, and whether they are in the scope of
its delegation. One that a policy names, or that
is looked at as a whole, is like no other.

Invariant: Cedar answers the same about entries that are alike, but for their names.
"""

from collections.abc import Hashable, Mapping
from typing import Any, NamedTuple

from governd.policy.compiled import CompiledPolicy
from governd.policy.counting import counting
from governd.policy.coverage import covers, covers_some
from governd.policy.entities import Uid
from governd.policy.handles import Facts
from governd.policy.listing import Entry, Listing
from governd.policy.slices import Met


class Kin(NamedTuple):
    """What entries that are alike have in common.

    Attributes:
        number: Of the sight that policies have of them, in the onlooker's ``sights``.
        seen: What these see.
    """

    number: int
    seen: Hashable


class Sight(NamedTuple):
    """What the policies that can apply to an entry look at.

    Attributes:
        places: Of these policies.
        facts: What is known of them.
        attributes: Of a resource, those that they look at.
        held: Sets of the subject that may hold a resource.
    """

    places: tuple[int, ...]
    facts: Facts
    attributes: tuple[str, ...]
    held: tuple[frozenset[Uid], ...]


class Onlooker:
    """Who looks at a list.

    Attributes:
        principal: Who it is.
        sights: What policies look at, of the entries that were looked at.
        places: Of all these policies.
    """

    def __init__(self, policy: CompiledPolicy, listing: Listing) -> None:
        """Takes the policy in force, and whose list is shown to whom."""
        self._policy = policy
        self._key = counting(policy, listing.subject, "list", Uid("McpServer", listing.server))
        self.principal = Uid("Agent", str(listing.subject))
        self._circumstances = listing.circumstances
        self._spiffe_id = policy.servers[listing.server].spiffe_id
        self._met = policy.handles.met(policy.graph.placed(self.principal, {}))
        record = policy.graph.record(self.principal)
        self._attributes: Mapping[str, Any] = record["attrs"] if record else {}
        self.sights: list[Sight] = []
        self.places: set[int] = set()
        self._numbers: dict[tuple[int, ...], int] = {}
        self._found: dict[tuple[Met, Met], int] = {}

    def kin(self, entry: Entry) -> Kin:
        """What an entry has in common with those that are like it."""
        number = self._found.get(entry.met)
        if number is None:
            number = self._found[entry.met] = self._find(entry.met)
        _, facts, attributes, held = self.sights[number]
        whole, named = facts.looks.whole, facts.mentioned
        action, (resource, above) = entry.action.uid, entry.resource
        seen = (
            above,
            resource if "resource" in whole or resource in named else None,
            action if "action" in whole or action in named else None,
            entry.several,
            self.in_scope(entry),
            *(repr(entry.attributes.get(name)) for name in attributes),
            *(resource in one for one in held),
        )
        return Kin(number, seen)

    def in_scope(self, entry: Entry) -> bool:
        """Whether the subject's delegation covers an entry, or may cover one of several."""
        uid = entry.resource.uid
        if entry.several:
            return covers_some(self._circumstances, uid.type, uid.id.partition("/")[0])
        return covers(self._circumstances, uid, self._spiffe_id)

    def _find(self, met: tuple[Met, Met]) -> int:
        """The number of the sight that policies have of what meets some demands."""
        places = self._policy.handles.candidates(self._key, self._met, *met)
        number = self._numbers.setdefault(places, len(self.sights))
        if number == len(self.sights):
            facts = self._policy.handles.facts(places)
            held = tuple(self._held(name) for name in sorted(facts.looks.held))
            self.places.update(places)
            self.sights.append(Sight(places, facts, tuple(sorted(facts.looks.attributes)), held))
        return number

    def _held(self, attribute: str) -> frozenset[Uid]:
        """The entities in a set that the subject has."""
        members = self._attributes.get(attribute, ())
        named = (one["__entity"] for one in members if isinstance(one, dict))
        return frozenset(Uid(**one) for one in named)
