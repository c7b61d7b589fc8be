"""A policy with more on its deny-list than its source says.

What is added stands beside the source, as registrations do: the digest is still the
source's. Everything that asks who is revoked asks the graph, or ``CompiledPolicy.is_revoked``.
"""

from dataclasses import replace

from governd.policy.asked import empty_cache
from governd.policy.compiled import CompiledPolicy
from governd.policy.entities import Entity, Name, Uid
from governd.policy.given import REVOKED_GROUP
from governd.policy.listing import Listings
from governd.policy.tools import Server

_GROUP = Uid("Group", REVOKED_GROUP).json()


def revoking(policy: CompiledPolicy, ids: frozenset[str]) -> CompiledPolicy:
    """The policy of the source, with exactly these revoked beside it.

    Args:
        policy: With or without others that were revoked before.
        ids: SPIFFE IDs, and users as ``<issuer>#<subject>``.
    """
    if ids == policy.revoked:
        return policy
    source = policy.source_graph or policy.graph
    servers = [_uid(one) for one in policy.servers.values() if str(one.spiffe_id) in ids]
    records: dict[Name, Entity] = {uid: _revoked(source.record(uid)) for uid in servers}
    return replace(
        policy,
        graph=source.over(records, source.given.revoking(ids)) if ids else source,
        source_graph=source,
        revoked=ids,
        asked=empty_cache(),
        listings=Listings(),
    )


def _uid(server: Server) -> Uid:
    return Uid("McpServer", server.name)


def _revoked(record: Entity | None) -> Entity:
    assert record is not None  # noqa: S101 - INVARIANT: every declared server has one
    return {**record, "parents": [*record["parents"], _GROUP]}
