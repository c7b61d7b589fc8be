"""Definitions and registrations for tests, put together with one line."""

import json
from collections.abc import Sequence
from typing import Any

from governd.identity import SpiffeId
from governd.policy.definitions import Definition, DefinitionLimits, Kind, read_definition
from governd.policy.registration import Registration, register
from tests.policies import SERVER

NOW = 1_700_000_000.0


def text(name: str, **members: Any) -> bytes:
    """A tool as its server lists it."""
    return json.dumps({"name": name, **members}).encode()


def tool(name: str, requires: Sequence[str] = (), **members: Any) -> Definition:
    """A tool that was read."""
    return definition(Kind.TOOL, text(name, **members), requires)


def definition(kind: Kind, content: bytes, requires: Sequence[str] = ()) -> Definition:
    """Any definition that was read."""
    return read_definition(kind, content, requires, limits=DefinitionLimits(), field="d")


def registration(
    *definitions: Definition,
    server: str = "git",
    spiffe_id: str = SERVER,
    now: float = NOW,
    accept_first: bool = True,
) -> Registration:
    """A first registration."""
    caller = SpiffeId.parse(spiffe_id)
    return register(None, caller, server, definitions, now=now, accept_first=accept_first)
