"""The arguments of a call as Cedar sees them: split by what the tool declares.

Left to others: what a caller may send at all (``arguments``), and what a tool declares
(``input_schema``).

Invariant: ``project`` yields only values of the declared types, so that a policy about
an argument judges exactly what the tool will see, or the call is denied.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from governd.policy.argument_types import Record, Scalar, SetOf, Type
from governd.policy.arguments import Value

_DECIMAL_LIMIT = Decimal("922337203685477.5807")

CedarValue: TypeAlias = "bool | int | str | list[CedarValue] | dict[str, CedarValue]"


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
