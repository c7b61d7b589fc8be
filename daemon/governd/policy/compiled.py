"""A policy that answers questions."""

from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import cedarpy

from governd.policy.asked import AskedCache, empty_cache
from governd.policy.entities import EntityGraph
from governd.policy.filed import FiledPolicies
from governd.policy.handles import Handles
from governd.policy.manifest import Manifest
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
        asked: What was asked before.
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
    asked: AskedCache = field(default_factory=empty_cache)

    def tool(self, resource_id: str) -> Tool | None:
        """The tool ``<server>/<name>``, by its exact name."""
        server, _, name = resource_id.partition("/")
        found = self.servers.get(server)
        return found.tools.get(name) if found else None

    def forget(self) -> Iterator[None]:
        """Empties the caches, in steps that are over within a few milliseconds.

        For a policy that is not in force any more: freeing all that was parsed for it at
        once would hold everybody up. It still answers.
        """
        caches: tuple[MutableMapping[Any, Any], ...] = (self.asked, self.handles.made)
        for cache in caches:
            while cache:
                cache.popitem()  # a parsed policy takes up to a millisecond to be freed
                yield
