"""What MCP servers registered, as it counts under a policy.

A registration stands beside the policy source and can only add to it: capabilities that a
tool requires, tools that the source does not declare, and what is quarantined. Left to
others: what servers registered (``registration``), and what of it counts (``offering``).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from governd.policy.definitions import Kind
from governd.policy.entities import Entity, Uid
from governd.policy.tools import Tool

ENTITY_TYPES: Mapping[Kind, str] = {
    Kind.TOOL: "Tool",
    Kind.RESOURCE: "Resource",
    Kind.RESOURCE_TEMPLATE: "ResourceTemplate",
    Kind.PROMPT: "Prompt",
}
"""Cedar's types by kind; templates have none there, and need one name all the same."""

# What expanding leaves as it is (RFC 6570 section 3.1).
_NOT_LITERAL = re.compile(r"[^A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]")


def literal_prefix(uri_template: str) -> str:
    """How everything begins that a URI template expands to."""
    return _NOT_LITERAL.split(uri_template, maxsplit=1)[0]


@dataclass(frozen=True, slots=True)
class Offered:
    """What servers registered, as it counts.

    Attributes:
        tools: Tools in force by id, ``<server>/<name>``, that are not just as the policy
            source declares them: those to which a registration adds, and those that only
            a registration has.
        records: Entities in place of the policy's own, and beside them: these tools,
            actions of those that are not declared, servers that require more.
        quarantined: What is hidden and denied for now, by Cedar's type and id.
        digests: What is listed has to have, by type and id: those of the definitions in
            force; of what is not registered, what it is held to.
        closed: By server, how resources begin that a quarantined template can expand to.
        open: Resources in force all the same.
    """

    tools: Mapping[str, Tool] = field(default_factory=dict)
    records: dict[Uid, Entity] = field(default_factory=dict)
    quarantined: frozenset[Uid] = frozenset()
    digests: Mapping[Uid, str] = field(default_factory=dict)
    closed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    open: frozenset[Uid] = frozenset()

    def is_quarantined(self, uid: Uid) -> bool:
        """Whether something is hidden and denied for now, by itself or with a template."""
        if uid in self.quarantined:
            return True
        if uid.type != ENTITY_TYPES[Kind.RESOURCE] or uid in self.open:
            return False
        server, _, uri = uid.id.partition("/")
        return uri.startswith(self.closed.get(server, ()))


NOTHING = Offered()
