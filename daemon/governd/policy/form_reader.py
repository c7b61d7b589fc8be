"""Reads compiled forms: from lines to a policy that answers.

The seal is verified and manifest and schema are parsed at once, which takes its time and
fits a thread. Then come the items, in steps that are over within a few milliseconds. Each
is read once, so that no line can fail later, when a question needs it, and then kept as
its text (``shelf``).
"""

import functools
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import cedarpy
from pydantic import TypeAdapter
from pydantic_core import from_json

from governd.identity import SpiffeId
from governd.policy.compiled import CompiledPolicy
from governd.policy.entities import Entity, EntityGraph, Name, Uid
from governd.policy.filed import FiledPolicies
from governd.policy.form import FormError, Head, Stamp, verified
from governd.policy.given import Given, Held
from governd.policy.handles import Handles
from governd.policy.shelf import Shelf, line_at
from governd.policy.tools import Server, Tool

STEP_ITEMS = 32
STEP_BYTES = 64 << 10
"""A step ends after so many items or bytes, whichever comes first."""


class _Codecs(NamedTuple):
    head: TypeAdapter[Head]
    held: TypeAdapter[tuple[Uid, Held]]
    server: TypeAdapter[tuple[str, str, bool]]
    tool: TypeAdapter[Tool]


class FormReader:
    """Reads one form."""

    def __init__(self, content: bytes, stamp: Stamp) -> None:
        """Verifies the seal and reads manifest and schema.

        Args:
            content: All of a form.
            stamp: What it has to be of.

        Raises:
            FormError: It is of something else, damaged, or not whole.
        """
        self._content = content
        self._digest = stamp.source
        self._at, self._end = verified(content, stamp)
        self._policies = FiledPolicies(content)
        self._handles = Handles(self._policies)
        self._records: Shelf[Name, Entity] = Shelf(content, from_json)
        self._codecs = _codecs()
        held = self._codecs.held.validate_json
        self._held: Shelf[Name, Held] = Shelf(content, lambda line: held(line)[1])
        self._servers: dict[str, Server] = {}
        self._tools: dict[str, Shelf[str, Tool]] = {}
        with _told():
            self._head = self._codecs.head.validate_json(self._line()[1])
            self._schema = cedarpy.Schema.from_str(self._head.schema, release_gil=True)

    def steps(self) -> Iterator[None]:
        """Reads the items; pauses after each step.

        Raises:
            FormError: A line says nothing that it could say.
        """
        items, since = 0, self._at
        with _told():
            for take in self._all():
                take()
                items += 1
                if items == STEP_ITEMS or self._at - since >= STEP_BYTES:
                    yield
                    items, since = 0, self._at
        if self._at != self._end:
            message = "has more or fewer lines than it says"
            raise FormError(message)

    def policy(self) -> CompiledPolicy:
        """What was read, after the last step."""
        manifest = self._head.manifest
        return CompiledPolicy(
            digest=self._digest,
            manifest=manifest,
            schema=self._schema,
            actions=self._head.actions,
            types=self._head.types,
            policies=self._policies,
            handles=self._handles,
            graph=EntityGraph(
                self._records,
                self._held,
                Given(manifest),
            ),
            servers=self._servers,
        )

    def _all(self) -> Iterator[Callable[[], None]]:
        head = self._head
        for count, take in (
            (head.policies, self._policy),
            (head.entities, self._entity),
            (head.holders, self._holder),
            (head.servers, self._server),
            (head.tools, self._tool),
        ):
            yield from (take for _ in range(count))

    def _policy(self) -> None:
        place, _ = self._line()
        self._line()
        policy = self._policies.at(place)
        self._policies.put(policy.id, place)
        self._handles.file(place, policy)

    def _entity(self) -> None:
        place, line = self._line()
        self._records.put(_name(**json.loads(line)["uid"]), place)

    def _holder(self) -> None:
        place, line = self._line()
        self._held.put(_name(*self._codecs.held.validate_json(line)[0]), place)

    def _server(self) -> None:
        name, spiffe_id, trusted = self._codecs.server.validate_json(self._line()[1])
        tools = self._tools[name] = Shelf(self._content, self._codecs.tool.validate_json)
        self._servers[name] = Server(name, SpiffeId.parse(spiffe_id), tools, trusted)

    def _tool(self) -> None:
        place, line = self._line()
        tool = self._codecs.tool.validate_json(line)
        self._tools[tool.server].put(tool.name, place)

    def _line(self) -> tuple[int, bytes]:
        place = self._at
        line = line_at(self._content, place)
        self._at = place + len(line) + 1
        return place, line


def read_form(content: bytes, stamp: Stamp) -> CompiledPolicy:
    """Reads a form in one go.

    Raises:
        FormError: It is of something else, damaged, or not whole.
    """
    reader = FormReader(content, stamp)
    for _ in reader.steps():
        pass
    return reader.policy()


@functools.cache
def _codecs() -> _Codecs:
    """Made when something is read: who only writes need not wait for them."""
    return _Codecs(
        TypeAdapter(Head),
        TypeAdapter(tuple[Uid, Held]),
        TypeAdapter(tuple[str, str, bool]),
        TypeAdapter(Tool),
    )


def _name(type: str, id: str) -> Name:  # noqa: A002  as Cedar's JSON form calls them
    # There are few types and many entities; plain tuples of texts need no garbage collection.
    return sys.intern(type), id


@contextmanager
def _told() -> Iterator[None]:
    """Turns whatever a wrong line leads to into one error."""
    try:
        yield
    except (ValueError, LookupError, TypeError) as error:
        message = f"has a line that says nothing: {error}"
        raise FormError(message) from error
