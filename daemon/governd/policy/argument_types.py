"""Types that Cedar has for the arguments of a tool, and how its schema writes them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, TypeAlias

from pydantic import Field

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"}


@dataclass(frozen=True, slots=True)
class Scalar:
    """``String``, ``Long``, ``decimal`` or ``Bool``."""

    name: str


@dataclass(frozen=True, slots=True)
class SetOf:
    """An array whose elements have one type."""

    element: "Type"


@dataclass(frozen=True, slots=True)
class Record:
    """An object with known members.

    Attributes:
        fields: Type by name.
        required: Names that a call must have.
        untyped: Paths of what the JSON Schema names but Cedar cannot type, members of
            members included: ``options.filter``.
    """

    fields: Mapping[str, "Type"] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    untyped: tuple[str, ...] = ()


Type: TypeAlias = Annotated[Scalar | SetOf | Record, Field(union_mode="left_to_right")]
"""No two of them can be read from the same JSON, so the first that fits is the one."""


def render(kind: Type) -> str:
    """The type in Cedar's schema syntax."""
    if isinstance(kind, Scalar):
        return kind.name
    if isinstance(kind, SetOf):
        return f"Set<{render(kind.element)}>"
    members = (
        f"{quote(name)}{'' if name in kind.required else '?'}: {render(member)}"
        for name, member in kind.fields.items()
    )
    return "{ " + ", ".join(members) + " }"


def quote(text: str) -> str:
    """A Cedar string literal."""
    return '"' + "".join(_ESCAPES.get(char, char) for char in text) + '"'


def paths(record: Record) -> Iterator[str]:
    """Everything that a policy can name in a record, by path: ``options``, ``options.limit``."""
    for name, member in record.fields.items():
        yield name
        if isinstance(member, Record):
            yield from (f"{name}.{path}" for path in paths(member))
