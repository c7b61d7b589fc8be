"""From a policy source to something that answers questions.

Types every policy against the schema (governd's, the extension's and one action per
tool), builds the graph of entities, and files the policies by what their scopes demand.
Takes values, returns values, and holds no lock: it may run in a thread.

Invariant: a compiled policy is complete or it is not made; nothing is dropped because it
did not fit.
"""

import functools
import re
from collections.abc import Iterable, Iterator

import cedarpy

from governd.errors import PolicyError, Problem
from governd.policy.argument_types import Record
from governd.policy.bundle import PolicySource
from governd.policy.compiled import CompiledPolicy
from governd.policy.form import Stamp, sealed, write
from governd.policy.form_reader import read_form
from governd.policy.layout import SCHEMA
from governd.policy.records import entity_records
from governd.policy.tools import Hints, Tool
from governd.policy.validation import mistyped

__all__ = ["CompiledPolicy", "compile_policy", "compile_source"]

_ENTITY_TYPE = re.compile(r"^entity ([A-Za-z_][\w:]*)", re.MULTILINE)

# The base policy is about the group of all tools' actions, which must not be empty.
_NO_TOOL = Tool("", "", "", (), Hints(), Record()).schema()


def compile_source(source: PolicySource, base_schema: str) -> Iterator[bytes]:
    """Compiles a policy source, into the lines of its compiled form.

    Args:
        source: What was read.
        base_schema: The text of governd's schema.

    Raises:
        PolicyError: Types do not fit; with every policy that is wrong.
    """
    text = _schema(source, base_schema, _tools(source))
    try:
        schema = cedarpy.Schema.from_str(text, release_gil=True)
    except ValueError as error:  # the rest is made by governd and always fits
        raise PolicyError([Problem(SCHEMA, 0, f"schema: {error}")]) from error
    problems = mistyped(source, functools.partial(_schema, source, base_schema), schema)
    if problems:
        raise PolicyError(problems)
    records = entity_records(source, schema)
    return write(source, text, frozenset(_ENTITY_TYPE.findall(str(schema))), records)


def compile_policy(source: PolicySource, base_schema: str) -> CompiledPolicy:
    """Compiles a policy source and reads its compiled form, as in one process.

    Raises:
        PolicyError: Types do not fit; with every policy that is wrong.
    """
    stamp = Stamp("", "", source.digest)
    return read_form(b"".join(sealed(stamp, compile_source(source, base_schema))), stamp)


def _schema(source: PolicySource, base_schema: str, tools: Iterable[Tool]) -> str:
    """The text of the schema with some of the source's tools."""
    declared = [tool.schema() for tool in tools] or [_NO_TOOL]
    return "\n".join([base_schema, *declared, source.schema])


def _tools(source: PolicySource) -> Iterator[Tool]:
    for server in source.servers.values():
        yield from server.tools.values()
