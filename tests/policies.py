"""Small policies for tests, put together from texts and asked with one line.

One MCP server, ``git``, with tools of every kind:

* ``open`` requires nothing and is harmless: only policies under test permit it;
* ``read`` requires ``git:read`` and is harmless, and takes arguments of every type;
* ``reset`` requires ``git:write`` and is destructive;
* ``bare`` says nothing of itself.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from governd.adapters.policy_directory import base_policy, base_schema
from governd.identity import SpiffeId
from governd.policy.arguments import NO_ARGUMENTS, ArgumentLimits, parse_arguments
from governd.policy.bundle import PolicySource
from governd.policy.compiler import CompiledPolicy, compile_policy
from governd.policy.decision import Decision
from governd.policy.delegated import (
    PLAIN,
    Circumstances,
    Delegation,
    EvidenceKind,
    read_user,
)
from governd.policy.engine import decide
from governd.policy.question import Question, parse_resource
from governd.policy.source import read_source

MANIFEST = 'format = 1\nname = "test"\nversion = 7\ntrust_domain = "example.org"\n'
WRITER = "spiffe://example.org/agent/writer"
READER = "spiffe://example.org/agent/reader"
SERVER = "spiffe://example.org/mcp/git"
OPEN = "tool:git/open"
PERMIT_ALL = '@id("all") permit (principal, action, resource);'
TENANTS = (
    '[[tenant]]\nname = "acme"\nnamespaces = ["acme"]\nservers = ["git"]\n'
    '[[tenant]]\nname = "beta"\nspiffe_prefixes = ["spiffe://example.org/ns/beta"]\n'
)
ACME = "spiffe://example.org/ns/acme/sa/bot"
BETA = "spiffe://example.org/ns/beta/sa/bot"
ALICE = "https://idp.example#alice"
BOB = "https://idp.example#bob"
EXPIRES = 1_767_268_800.0
"""2026-01-01T12:00:00Z"""

_HARMLESS = {"readOnlyHint": True, "destructiveHint": False}
_ARGUMENTS = {
    "type": "object",
    "properties": {
        "text": {"type": "string"},
        "count": {"type": "integer"},
        "amount": {"type": "number"},
        "flag": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "nested": {"type": "object", "properties": {"deep": {"type": "integer"}}},
        "anything": {},
    },
}
TOOLS: Sequence[Mapping[str, Any]] = (
    {"name": "open", "inputSchema": _ARGUMENTS, "annotations": _HARMLESS},
    {
        "name": "read",
        "inputSchema": {**_ARGUMENTS, "required": ["text"]},
        "annotations": _HARMLESS,
        "requires": ["git:read"],
    },
    {"name": "reset", "inputSchema": _ARGUMENTS, "requires": ["git:write"]},
    {"name": "bare"},
)


def server_file(
    name: str = "git", spiffe_id: str = SERVER, tools: Sequence[Mapping[str, Any]] = TOOLS
) -> bytes:
    """A file under ``tools/``."""
    return json.dumps({"server": name, "spiffe_id": spiffe_id, "tools": tools}).encode()


def source_files(
    policies: str = "",
    *,
    manifest: str = "",
    grants: str = "",
    entities: Sequence[Mapping[str, Any]] | None = None,
    schema: str = "",
    extra: Mapping[str, str | bytes] | None = None,
) -> dict[str, bytes]:
    """The files of a policy source; ``manifest`` is put behind the usual one."""
    texts: dict[str, str | bytes] = {
        "manifest.toml": MANIFEST + manifest,
        "policies/test.cedar": policies,
        "tools/git.json": server_file(),
        "grants.toml": grants,
        **({"schema.cedarschema": schema} if schema else {}),
        **({"entities.json": json.dumps(entities)} if entities is not None else {}),
        **(extra or {}),
    }
    return {path: text.encode() if isinstance(text, str) else text for path, text in texts.items()}


@cache
def base() -> str:
    """The text of governd's base policy."""
    return base_policy()


@cache
def schema_text() -> str:
    """The text of governd's schema."""
    return base_schema()


def read(policies: str = "", **parts: Any) -> PolicySource:
    """A policy source, read."""
    return read_source(source_files(policies, **parts), base())


def compiled(policies: str = "", **parts: Any) -> CompiledPolicy:
    """A policy that answers."""
    return compile_policy(read(policies, **parts), schema_text())


def question(
    subject: str = WRITER,
    action: str = "tools/call",
    resource: str = OPEN,
    arguments: Mapping[str, Any] | str | None = None,
    *,
    asserted_by: str | None = None,
    circumstances: Circumstances = PLAIN,
) -> Question:
    """A question, as a door would put it."""
    kind, _, name = resource.partition(":")
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return Question(
        SpiffeId.parse(subject),
        action,
        parse_resource(kind, name),
        NO_ARGUMENTS if arguments is None else parse_arguments(text.encode(), ArgumentLimits()),
        SpiffeId.parse(asserted_by) if asserted_by else None,
        circumstances,
    )


def acting(
    user: str = ALICE, *actors: str, kya_level: int = 0, own_level: int = 0, **parts: Any
) -> Circumstances:
    """An agent that acts for a user; the actors, who asks first."""
    given = Delegation(
        user=read_user(user, field="user"),
        actors=tuple(SpiffeId.parse(one) for one in actors or (WRITER,)),
        evidence=frozenset(EvidenceKind(one) for one in parts.pop("evidence", ["id_token"])),
        expires=parts.pop("expires", EXPIRES),
        scopes=frozenset(parts.pop("scopes", ())),
        kya_level=kya_level,
        **parts,
    )
    return Circumstances(own_level, given)


def ask(
    policy: CompiledPolicy,
    subject: str = WRITER,
    action: str = "tools/call",
    resource: str = OPEN,
    arguments: Mapping[str, Any] | str | None = None,
    *,
    age: float = 0.0,
    lease: float = 0.0,
    circumstances: Circumstances = PLAIN,
) -> Decision:
    """The decision on a question."""
    asked = question(subject, action, resource, arguments, circumstances=circumstances)
    return decide(policy, asked, age_seconds=age, max_lease_seconds=lease)
