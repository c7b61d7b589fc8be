"""A policy that answers questions."""

from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from typing import Any

import cedarpy

from governd.identity import SpiffeId
from governd.policy.asked import AskedCache, empty_cache
from governd.policy.entities import EntityGraph
from governd.policy.filed import FiledPolicies
from governd.policy.handles import Handles
from governd.policy.listing import Listings
from governd.policy.manifest import Manifest
from governd.policy.offered import NOTHING, Offered
from governd.policy.tools import Server, Tool


@dataclass(frozen=True, slots=True)
class CompiledPolicy:
    """A policy that answers questions. Immutable but for caches.

    Attributes:
        digest: Of the source.
        manifest: Of the source.
        schema: The whole schema.
        actions: Declared actions that can be asked about, tools aside.
        types: Declared entity types.
        policies: Every policy by id.
        handles: The policies, parsed, by what is asked.
        graph: The entities.
        servers: Declared MCP servers by name.
        offered: What these registered.
        asked: What was asked before.
        listings: Lists that were shown before.
        revoked: Who is revoked beside the source: SPIFFE IDs, and users by their ids.
        source_graph: The entities without that; ``None`` where it is ``graph``.
    """

    digest: str
    manifest: Manifest
    schema: cedarpy.Schema
    actions: frozenset[str]
    types: frozenset[str]
    policies: FiledPolicies
    handles: Handles
    graph: EntityGraph
    servers: Mapping[str, Server]
    offered: Offered = NOTHING
    asked: AskedCache = field(default_factory=empty_cache)
    listings: Listings = field(default_factory=Listings)
    revoked: frozenset[str] = frozenset()
    source_graph: EntityGraph | None = None

    def is_revoked(self, spiffe_id: SpiffeId) -> bool:
        """Whether a SPIFFE ID is on the deny-list, the source's or that beside it."""
        name = str(spiffe_id)
        return name in self.revoked or name in self.manifest.revoked.subjects

    def tool(self, resource_id: str) -> Tool | None:
        """The tool ``<server>/<name>``, by its exact name, as it counts."""
        offered = self.offered.tools.get(resource_id)
        if offered is not None:
            return offered
        server, _, name = resource_id.partition("/")
        found = self.servers.get(server)
        return found.tools.get(name) if found else None

    def has_tool(self, resource_id: str) -> bool:
        """Whether there is such a tool, found without reading it."""
        server, _, name = resource_id.partition("/")
        found = self.servers.get(server)
        return resource_id in self.offered.tools or (found is not None and name in found.tools)

    def offering(self, offered: Offered) -> "CompiledPolicy":
        """The same policy where servers registered something else."""
        return replace(self, offered=offered, asked=empty_cache(), listings=Listings())

    def forget(self) -> Iterator[None]:
        """Empties the caches, in steps that are over within a few milliseconds.

        For a policy that is not in force any more: freeing all that was parsed for it at
        once would hold everybody up. It still answers.
        """
        yield from self.forget_asked()
        yield from _emptied(self.handles.made)

    def forget_asked(self) -> Iterator[None]:
        """Empties what no other policy shares, likewise."""
        for cache in (self.asked, self.listings.pages, self.listings.answers):
            yield from _emptied(cache)


def _emptied(cache: MutableMapping[Any, Any]) -> Iterator[None]:
    while cache:
        cache.popitem()  # a parsed policy takes up to a millisecond to be freed
        yield
