"""What grants add up to for those that they name."""

from collections.abc import Iterable, Iterator

from governd.policy.entities import Uid
from governd.policy.given import Held
from governd.policy.manifest import Grant


def add_grants(grants: Iterable[Grant]) -> dict[Uid, Held]:
    """Adds up grants; several for one holder are united."""
    found: dict[Uid, tuple[set[str], set[str]]] = {}
    for grant in grants:
        for holder in _holders(grant):
            names, tools = found.setdefault(holder, (set(), set()))
            names.update(grant.capabilities)
            tools.update(grant.destructive)
    return {
        holder: Held(tuple(sorted(names)), tuple(sorted(tools)))
        for holder, (names, tools) in found.items()
    }


def _holders(grant: Grant) -> Iterator[Uid]:
    yield from (Uid("Agent", agent) for agent in grant.agents)
    yield from (Uid("Group", group) for group in grant.groups)
    yield from (Uid("Namespace", namespace) for namespace in grant.namespaces)
