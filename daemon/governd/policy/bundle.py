"""What a policy source says, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from governd.policy.annotations import Traits
from governd.policy.manifest import Grant, Manifest
from governd.policy.statements import Statement
from governd.policy.tools import Server

BASE = "governd"
"""What stands for a file in the places of governd's own policies."""


@dataclass(frozen=True, slots=True)
class PolicyRecord:
    """One policy, parsed.

    Attributes:
        id: Its id in answers.
        effect: ``permit`` or ``forbid``.
        est: Cedar's JSON form.
        traits: Its annotations.
        statement: File, line and text.
        tenant: Whose it is; ``""`` for the platform's.
    """

    id: str
    effect: str
    est: Mapping[str, Any]
    traits: Traits
    statement: Statement
    tenant: str = ""


@dataclass(slots=True)
class PolicySource:
    """All that a policy source says.

    Attributes:
        digest: ``sha-256:<hex>`` over every file that was read, and governd's base.
        manifest: Its manifest.
        schema: The text of its schema extension.
        policies: All policies, governd's base among them.
        entities: Entities by the file they stand in.
        grants: Capability grants by the file they stand in.
        servers: Declared MCP servers by name.
    """

    digest: str
    manifest: Manifest
    schema: str = ""
    policies: list[PolicyRecord] = field(default_factory=list)
    entities: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    grants: dict[str, tuple[Grant, ...]] = field(default_factory=dict)
    servers: dict[str, Server] = field(default_factory=dict)
