"""What governd itself puts entities into, whatever a policy source lists.

Agents are in the namespace of their SPIFFE ID; who is on the deny-list is in the group of the
revoked, and services that are reserved for governd are in theirs.
"""

import copy
from typing import NamedTuple

from governd.identity import SpiffeId
from governd.policy.manifest import Manifest
from governd.policy.reserved import RESERVED_GROUP, Reserved

REVOKED_GROUP = "revoked"

Reference = dict[str, str]
"""An entity's name in Cedar's JSON form."""


class Held(NamedTuple):
    """What one agent, group or namespace is given.

    Attributes:
        capabilities: Capability names, sorted.
        destructive: Ids of destructive tools, sorted.
    """

    capabilities: tuple[str, ...] = ()
    destructive: tuple[str, ...] = ()


class Given:
    """Parents by what an entity is called."""

    def __init__(self, manifest: Manifest) -> None:
        """Takes what the source says of itself."""
        self._trust_domain = manifest.trust_domain
        self._revoked = frozenset((*manifest.revoked.subjects, *manifest.revoked.users))
        self._reserved = Reserved(manifest.issuer, manifest.authorization_server)

    def revoking(self, ids: frozenset[str]) -> "Given":
        """The same with more on the deny-list: SPIFFE IDs, and users by their ids."""
        more = copy.copy(self)
        more._revoked = self._revoked | ids  # noqa: SLF001 - its own
        return more

    def of_agent(self, spiffe_id: SpiffeId) -> list[Reference]:
        """Of an agent."""
        found = self.of_user(str(spiffe_id))
        if spiffe_id.namespace and spiffe_id.trust_domain == self._trust_domain:
            found.append({"type": "Namespace", "id": spiffe_id.namespace})
        return found

    def of_user(self, user_id: str) -> list[Reference]:
        """Of a user. No user has the id of an agent: those have no ``#``."""
        return [_group(REVOKED_GROUP)] if user_id in self._revoked else []

    def of_service(self, name: str) -> list[Reference]:
        """Of an external service."""
        return [_group(RESERVED_GROUP)] if name in self._reserved else []


def _group(name: str) -> Reference:
    return {"type": "Group", "id": name}
