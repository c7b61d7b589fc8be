"""Where many policies can apply to the same question.

What a question costs grows with its candidates (``slices``). Policies that name whom and
what they are about have few beside them; policies that leave principal and resource open,
or name the same group of everybody, are all put to every question that fits. Counted here
are policies that whoever meets one scope meets, too: those of the same scope and those of
every wider one.
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from governd.policy.bundle import PolicyRecord
from governd.policy.slices import ANYTHING, Demand, scope_of
from governd.policy.tools import CALL

MANY = 100
"""As many policies, parsed and asked, cost about as much as a call's transport."""

_ANYBODY = "is Agent"
_ALL_CALLS = f"in Action::{CALL}"
_TOOL_CALL = f"== Action::{CALL}:"


class _Place(NamedTuple):
    tenant: str
    principal: Demand
    action: Demand
    resource: Demand


class Crowd(NamedTuple):
    """Policies of one scope with too many beside them.

    Attributes:
        first: The first of them in the source.
        size: How many can apply to each question that meets the scope.
    """

    first: PolicyRecord
    size: int


def crowds(policies: Iterable[PolicyRecord], *, many: int = MANY) -> Iterator[Crowd]:
    """Scopes with more than ``many`` candidates, the widest of those that hold each other."""
    first: dict[_Place, PolicyRecord] = {}
    counts: Counter[_Place] = Counter()
    for policy in policies:
        for demands in itertools.product(*scope_of(policy.est)):
            place = _place(policy.tenant, *demands)
            counts[place] += 1
            first.setdefault(place, policy)
    totals = {place: sum(counts[one] for one in _wider(place)) for place in counts}
    for place, total in totals.items():
        above = (totals.get(one, 0) for one in _wider(place) if one != place)
        if total > many >= max(above, default=0):
            yield Crowd(first[place], total)


def _place(tenant: str, principal: Demand, action: Demand, resource: Demand) -> _Place:
    """Where policies of one scope come together. Whoever asks is an agent."""
    return _Place(tenant, ANYTHING if principal == _ANYBODY else principal, action, resource)


def _wider(place: _Place) -> Iterator[_Place]:
    """A place and all places that whatever meets it meets, as far as names tell."""
    tenants = {"", place.tenant}
    parts = (_met_too(demand) for demand in place[1:])
    return itertools.starmap(_Place, itertools.product(tenants, *parts))


def _met_too(demand: Demand) -> set[Demand]:
    wider = {ANYTHING, demand}
    if demand.startswith("== "):
        kind, _, _ = demand.removeprefix("== ").partition("::")
        wider |= {f"is {kind}", demand.replace("==", "in", 1)}
    if demand.startswith((_TOOL_CALL, _TOOL_CALL.replace("==", "in", 1))):
        wider.add(_ALL_CALLS)
    return wider
