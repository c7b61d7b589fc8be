"""Types of a tool's arguments: from JSON Schema to Cedar.

A tool's ``inputSchema`` (JSON Schema 2020-12, as MCP prescribes) is reduced to what Cedar
can type: strings, 64-bit integers, decimals with four digits, booleans, arrays and
nested objects of these, any of them optional or nullable. What cannot be typed (a
reference, a union, an object without properties) is left out, and an argument of that
name counts as undeclared. Nothing is ever dereferenced.

Invariant: ``project`` yields only values of the declared types, so that a policy about
an argument judges exactly what the tool will see, or the call is denied.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeAlias

from governd.policy.arguments import Value

MAX_PROPERTIES = 256
MAX_DEPTH = 8
_SCALARS = {"string": "String", "integer": "Long", "number": "decimal", "boolean": "Bool"}
_DECIMAL_LIMIT = Decimal("922337203685477.5807")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"}

CedarValue: TypeAlias = "bool | int | str | list[CedarValue] | dict[str, CedarValue]"


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
        untyped: Names that the schema has but Cedar cannot type.
    """

    fields: Mapping[str, "Type"] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    untyped: tuple[str, ...] = ()


Type: TypeAlias = Scalar | SetOf | Record


@dataclass(frozen=True, slots=True)
class Projection:
    """Arguments as Cedar sees them.

    Attributes:
        args: The declared ones, in Cedar's JSON form.
        undeclared: Paths of the others.
        mismatched: Paths of declared ones that have another type, or are missing.
    """

    args: dict[str, CedarValue]
    undeclared: tuple[str, ...]
    mismatched: tuple[str, ...]


def read_parameters(schema: object) -> Record:
    """Reduces an ``inputSchema``; anything unreadable leaves everything undeclared."""
    record = _read(schema, MAX_DEPTH)
    return record if isinstance(record, Record) else Record()


def _read(schema: object, depth: int) -> Type | None:
    if not isinstance(schema, dict) or depth < 1 or "$ref" in schema:
        return None
    kind = schema.get("type")
    if isinstance(kind, str) and kind in _SCALARS:
        return Scalar(_SCALARS[kind])
    if kind == "array":
        element = _read(schema.get("items"), depth - 1)
        return None if element is None else SetOf(element)
    if kind == "object":
        return _read_object(schema, depth)
    alternative = _only_alternative(schema)
    return None if alternative is None else _read(alternative, depth - 1)


def _only_alternative(schema: dict[str, Any]) -> object:
    """The one type beside null in ``anyOf [T, null]`` or ``type: [T, "null"]``."""
    kinds, options = schema.get("type"), schema.get("anyOf")
    if isinstance(kinds, list):
        options = [{**schema, "type": kind} for kind in kinds]
    if isinstance(options, list):
        rest = [option for option in options if option and not _is_null(option)]
        return rest[0] if len(rest) == 1 else None
    if isinstance(schema.get("enum"), list):
        texts = all(isinstance(value, str) for value in schema["enum"])
        return {"type": "string"} if texts and "type" not in schema else None
    return None


def _is_null(schema: object) -> bool:
    return isinstance(schema, dict) and schema.get("type") == "null"


def _is_nullable(schema: dict[str, Any]) -> bool:
    kinds, options = schema.get("type"), schema.get("anyOf")
    return (isinstance(kinds, list) and "null" in kinds) or (
        isinstance(options, list) and any(_is_null(option) for option in options)
    )


def _read_object(schema: dict[str, Any], depth: int) -> Record | None:
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return Record() if depth == MAX_DEPTH else None
    fields: dict[str, Type] = {}
    untyped: list[str] = []
    for name, member in properties.items():
        found = _read(member, depth - 1) if len(fields) < MAX_PROPERTIES else None
        if found is None:
            untyped.append(name)
        else:
            fields[name] = found
    required = schema.get("required")
    names = required if isinstance(required, list) else []
    texts = {name for name in names if isinstance(name, str)}
    needed = {name for name in texts & fields.keys() if not _is_nullable(properties[name])}
    return Record(fields, frozenset(needed), tuple(untyped))


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


def project(record: Record, members: Mapping[str, Value]) -> Projection:
    """Splits arguments into declared, undeclared and mismatched ones."""
    undeclared: list[str] = []
    mismatched: list[str] = []
    args = _project_record(record, members, "", undeclared, mismatched)
    return Projection(args, tuple(undeclared), tuple(mismatched))


def _project_record(
    record: Record,
    members: Mapping[str, Value],
    path: str,
    undeclared: list[str],
    mismatched: list[str],
) -> dict[str, CedarValue]:
    args: dict[str, CedarValue] = {}
    for name, value in members.items():
        if name not in record.fields:
            undeclared.append(path + name)
            continue
        found = _project(record.fields[name], value, path + name, undeclared, mismatched)
        if found is not None:
            args[name] = found
    mismatched.extend(path + name for name in sorted(record.required - members.keys()))
    return args


def _project(
    kind: Type, value: "Value | None", path: str, undeclared: list[str], mismatched: list[str]
) -> "CedarValue | None":
    """The value in Cedar's JSON form; ``None``, and the path noted, if it has another type."""
    if isinstance(kind, Record) and isinstance(value, dict):
        return _project_record(kind, value, path + ".", undeclared, mismatched)
    if isinstance(kind, SetOf) and isinstance(value, list):
        items = [_project(kind.element, item, path, undeclared, mismatched) for item in value]
        return [item for item in items if item is not None]
    found = _scalar(kind.name, value) if isinstance(kind, Scalar) else None
    if found is None:
        mismatched.append(path)
    return found


def _scalar(name: str, value: "Value | None") -> "CedarValue | None":
    if name == "String":
        return value if isinstance(value, str) else None
    if isinstance(value, bool) or name == "Bool":
        return value if isinstance(value, bool) and name == "Bool" else None
    if not isinstance(value, int | Decimal):
        return None
    if name == "Long":  # JSON Schema counts 5.0 among the integers
        return int(value) if value == int(value) and -(2**63) <= value < 2**63 else None
    return _decimal(Decimal(value))


def _decimal(value: Decimal) -> "CedarValue | None":
    if abs(value) > _DECIMAL_LIMIT:
        return None
    return {"__extn": {"fn": "decimal", "arg": f"{value:.4f}"}}
