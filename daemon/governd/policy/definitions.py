"""What MCP servers say of their tools, resources, templates and prompts.

A definition is read strictly and reduced to the members that are pinned: those that a model
or a client acts upon, by their names in MCP 2025-06-18 and later. Their canonical form (RFC
8785) is what the digest is of. Left to others: what becomes of a definition (``offering``),
what its schema says of arguments (``input_schema``), what of it is unsafe (``unsafe_schema``).

Invariant: the canonical form of a definition is accepted as a definition, and is its own.
"""

import enum
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import rfc8785

from governd.policy.argument_types import Record
from governd.policy.input_schema import read_parameters
from governd.policy.tools import CAPABILITY, NO_HINTS, Hints
from governd.policy.unsafe_schema import unsafe_parts
from governd.strict_json import read_object, refuse, typed

MAX_NAME_BYTES = 2048
MAX_REQUIRES = 64
SCHEMAS = ("inputSchema", "outputSchema")
_HINTS = ("readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CAPABILITY = re.compile(CAPABILITY)


class Kind(enum.Enum):
    """What a definition defines; ``tool_service.proto`` documents each."""

    TOOL = 1
    RESOURCE = 2
    RESOURCE_TEMPLATE = 3
    PROMPT = 4


NAMED_BY: Mapping[Kind, str] = {
    Kind.TOOL: "name",
    Kind.RESOURCE: "uri",
    Kind.RESOURCE_TEMPLATE: "uriTemplate",
    Kind.PROMPT: "name",
}
"""The member that is a definition's name."""

_RESOURCE = {"description": str, "mimeType": str, "name": str}
PINNED: Mapping[Kind, Mapping[str, type]] = {
    Kind.TOOL: {
        "annotations": dict,
        "description": str,
        "inputSchema": dict,
        "name": str,
        "outputSchema": dict,
    },
    Kind.RESOURCE: {**_RESOURCE, "uri": str},
    Kind.RESOURCE_TEMPLATE: {**_RESOURCE, "uriTemplate": str},
    Kind.PROMPT: {"arguments": list, "description": str, "name": str},
}
"""The members that are pinned, with their types, in canonical order."""


@dataclass(frozen=True, slots=True)
class DefinitionLimits:
    """Bounds of one definition.

    Attributes:
        max_bytes: Of its JSON text.
        max_depth: Levels of nesting, the object itself being the first.
        max_requires: Capabilities that it requires.
    """

    max_bytes: int = 65_536
    max_depth: int = 32
    max_requires: int = MAX_REQUIRES


@dataclass(frozen=True, slots=True)
class Definition:
    """One thing that a server offers, as it says itself.

    Attributes:
        kind: What it defines.
        name: Of a resource its URI, of a template its URI template.
        canonical: Its pinned members, in canonical form (RFC 8785).
        digest: ``sha-256:<hex>`` of that.
        requires: Capabilities that a caller needs, sorted; tools only.
        unsafe: Paths of unsafe parts of its schemas, the first few.
        hints: What its annotations say a call may do, with MCP's defaults. Follows from the
            canonical form, as does what comes next.
        parameters: The types of its arguments.
        ends: Where each pinned member ends in the canonical form.
    """

    kind: Kind
    name: str
    canonical: bytes
    digest: str
    requires: tuple[str, ...] = ()
    unsafe: tuple[str, ...] = ()
    hints: Hints = field(default=NO_HINTS, compare=False, repr=False)
    parameters: Record = field(default_factory=Record, compare=False, repr=False)
    ends: tuple[int, ...] = field(default=(), compare=False, repr=False)

    def members(self) -> dict[str, bytes]:
        """The canonical text of each pinned member, with its name: ``"name":"git_log"``."""
        starts = (1, *(end + 1 for end in self.ends))
        texts = (self.canonical[start:end] for start, end in zip(starts, self.ends, strict=False))
        return {text[1 : text.index(b":") - 1].decode(): text for text in texts}


def read_definition(
    kind: Kind, text: bytes, requires: Sequence[str], *, limits: DefinitionLimits, field: str
) -> Definition:
    """Reads a definition as a server lists it, strictly.

    Args:
        kind: What it defines.
        text: One JSON object in UTF-8.
        requires: Capabilities that a caller needs.
        limits: Bounds on it.
        field: Its path within the request, such as ``definitions[3]``.

    Raises:
        DefinitionError: It breaks a rule; ``field`` is the path to the place.
    """
    path = f"{field}.definition_json"
    value = read_object(text, max_bytes=limits.max_bytes, max_depth=limits.max_depth, path=path)
    pinned: dict[str, Any] = {
        name: typed(value[name], of, f"{path}.{name}")
        for name, of in PINNED[kind].items()
        if name in value
    }
    name = _name(pinned, NAMED_BY[kind], path)
    hints = _hints(pinned.get("annotations", {}), f"{path}.annotations")
    required = _requires(kind, requires, f"{field}.requires", limits.max_requires)
    texts = [b'"%s":%s' % (one.encode(), rfc8785.dumps(member)) for one, member in pinned.items()]
    return _definition(kind, name, texts, required, hints)


def _definition(
    kind: Kind, name: str, texts: Sequence[bytes], requires: tuple[str, ...], hints: Hints
) -> Definition:
    """A definition whose pinned members have these texts."""
    canonical = b"{" + b",".join(texts) + b"}"
    # What follows must not depend on the order in which the server wrote members.
    members = json.loads(canonical)
    return Definition(
        kind=kind,
        name=name,
        canonical=canonical,
        digest="sha-256:" + hashlib.sha256(canonical).hexdigest(),
        requires=requires,
        unsafe=unsafe_parts({one: members[one] for one in SCHEMAS if one in members}),
        hints=hints,
        parameters=read_parameters(members.get("inputSchema")),
        ends=tuple(accumulate(len(text) + 1 for text in texts)),
    )


def _name(pinned: Mapping[str, Any], member: str, path: str) -> str:
    path = f"{path}.{member}"
    name: str = pinned.get(member, "")
    if not name:
        refuse(path, "required")
    if len(name.encode()) > MAX_NAME_BYTES:
        refuse(path, f"has more than {MAX_NAME_BYTES} bytes")
    if _CONTROL.search(name):
        refuse(path, "must not have control characters")
    return name


def _hints(annotations: Mapping[str, Any], path: str) -> Hints:
    stated = {
        name: typed(annotations[name], bool, f"{path}.{name}")
        for name in _HINTS
        if name in annotations
    }
    return Hints.model_validate(stated) if stated else NO_HINTS


def _requires(kind: Kind, requires: Sequence[str], path: str, limit: int) -> tuple[str, ...]:
    if requires and kind is not Kind.TOOL:
        refuse(path, "only a tool can require capabilities")
    if len(requires) > limit:
        refuse(path, f"has {len(requires)} capabilities, the limit is {limit}")
    for index, name in enumerate(requires):
        if not _CAPABILITY.fullmatch(name):
            refuse(f"{path}[{index}]", f"is no capability: it has to match {CAPABILITY}")
    return tuple(sorted(set(requires)))
