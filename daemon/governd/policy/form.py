"""The compiled form of a policy: lines that can be kept, and read back a few at a time.

JSON lines: a stamp (which format, governd and source), a head (manifest, schema, how many
of each kind follow), then two lines a policy and one an entity, holder of grants, server
and tool, and at the end a seal over all that came before. A form is whole and of its stamp,
or it is refused; what it says is as trusted as where it was kept. Left to others: keeping
it (``adapters.compiled_files``), reading it (``form_reader``).
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from pydantic_core import to_json

from governd.policy.bundle import PolicySource
from governd.policy.capabilities import add_grants
from governd.policy.entities import Entity, Uid
from governd.policy.filed import write_policy
from governd.policy.manifest import Manifest
from governd.policy.tools import CALL, Server

FORMAT = 3


class FormError(ValueError):
    """This is not the compiled form that was expected, or not all of it."""


class Stamp(NamedTuple):
    """What a compiled form is of.

    Attributes:
        governd: The version that compiled it, and of the engine it compiled with.
        base: The digest of governd's own policy and schema.
        source: The digest of the policy source.
    """

    governd: str
    base: str
    source: str

    def line(self) -> bytes:
        """As a form begins."""
        return json.dumps({"format": FORMAT, **self._asdict()}).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class Head:
    """What a form says before its items.

    Attributes:
        manifest: Of the source.
        schema: The text of the whole schema.
        actions: Declared actions that can be asked about, tools aside.
        types: Declared entity types.
        policies: How many policies follow.
        entities: How many entities.
        holders: How many holders of grants.
        servers: How many MCP servers.
        tools: How many tools.
    """

    manifest: Manifest
    schema: str
    actions: frozenset[str]
    types: frozenset[str]
    policies: int
    entities: int
    holders: int
    servers: int
    tools: int


def write(
    source: PolicySource, schema: str, types: frozenset[str], records: Mapping[Uid, Entity]
) -> Iterator[bytes]:
    """A policy that was found good, as the lines between stamp and seal.

    Args:
        source: What was read.
        schema: The text of the whole schema.
        types: Declared entity types.
        records: Every entity.
    """
    given = add_grants(grant for grants in source.grants.values() for grant in grants)
    servers = source.servers.values()
    tools = [tool for server in servers for tool in server.tools.values()]
    actions = (uid.id for uid in records if uid.type == "Action")
    head = Head(
        manifest=source.manifest,
        schema=schema,
        actions=frozenset(one for one in actions if not f"{one}:".startswith(f"{CALL}:")),
        types=types,
        policies=len(source.policies),
        entities=len(records),
        holders=len(given),
        servers=len(servers),
        tools=len(tools),
    )
    yield to_json(head, by_alias=True)
    for policy in source.policies:
        yield from write_policy(policy)
    yield from (json.dumps(record).encode() for record in records.values())
    yield from (to_json(one) for one in given.items())
    yield from (to_json(_server(server)) for server in servers)
    yield from (to_json(tool, by_alias=True) for tool in tools)


def _server(server: Server) -> tuple[str, str, bool]:
    return server.name, str(server.spiffe_id), server.trust_annotations


def sealed(stamp: Stamp, lines: Iterable[bytes]) -> Iterator[bytes]:
    """A whole form, piece by piece, from the lines that ``write`` made."""
    total = hashlib.sha256()
    for line in (stamp.line(), *(line + b"\n" for line in lines)):
        total.update(line)
        yield line
    yield _seal(total.hexdigest())


def _seal(digest: str) -> bytes:
    return json.dumps({"sha-256": digest}).encode() + b"\n"


def verified(content: bytes, stamp: Stamp) -> tuple[int, int]:
    """Where the lines between stamp and seal begin and end.

    Raises:
        FormError: The content is of something else, damaged, or not whole.
    """
    begin = stamp.line()
    if not content.startswith(begin):
        message = "is of another policy, or another governd's"
        raise FormError(message)
    end = content.rfind(b"\n", 0, -1) + 1
    digest = hashlib.sha256(memoryview(content)[:end]).hexdigest()
    if content[end:] != _seal(digest):
        message = "is damaged, or not whole"
        raise FormError(message)
    return len(begin), end
