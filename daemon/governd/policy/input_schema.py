"""From a tool's ``inputSchema`` to the types of its arguments.

JSON Schema (2020-12, as MCP prescribes, and draft-07) is reduced to what Cedar can type:
strings, 64-bit integers, decimals with four digits, booleans, arrays and nested objects of
these, any of them optional or nullable, enumerations as the type of their values. What
cannot be typed (a union, an object without properties, an object within itself) is left
out and listed, and an argument of that name counts as undeclared.

A reference is followed within the same schema and never out of it. A schema is a stranger's
text: however deep, long or entangled it is, reading it ends soon, and what is too much of
it is untyped. Nothing here weakens a decision: whatever a type was read from, only values
that have it reach a policy (``parameters``).
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

from governd.policy.argument_types import Record, Scalar, SetOf, Type

MAX_PROPERTIES = 256
"""Of one object. Further arguments of a tool are untyped, a longer object within is."""
MAX_DEPTH = 8
"""Levels of values within each other, all arguments together being the first."""
MAX_NODES = 2_048
"""Schemas that are read for one tool; one that is referred to twice is read twice."""
_MAX_WITHIN = 64
"""Schemas that are begun and not ended: of references and alternatives, too."""
_MAX_REFERENCE_CHARS = 256
_VALUES_PER_NODE = 64

_SCALARS = {"string": "String", "integer": "Long", "number": "decimal", "boolean": "Bool"}
_KINDS = {str: "string", int: "integer", bool: "boolean", type(None): "null"}
_LISTS = ("type", "enum", "required", "anyOf", "oneOf")
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_BESIDE_REFERENCE = frozenset({
    *("$ref", "$schema", "$id", "$defs", "definitions", "$comment"),
    *("title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"),
})  # fmt: skip


class _Found(NamedTuple):
    """What a schema allows: values of a type, null, both; neither where it is untyped."""

    type: Type | None = None
    null: bool = False


_UNTYPED = _Found()


class _TooMuchError(Exception):
    """More schemas than are read for one tool."""


def read_parameters(schema: object) -> Record:
    """Reduces an ``inputSchema``; anything unreadable leaves everything undeclared."""
    try:
        found = _Reader(schema).read(schema, MAX_DEPTH)
    except _TooMuchError:
        return Record()
    return found.type if isinstance(found.type, Record) else Record()


class _Reader:
    """Reads the schemas of one tool."""

    def __init__(self, root: object) -> None:
        self._root = root
        self._nodes = MAX_NODES
        self._within: list[object] = []

    def read(self, schema: object, depth: int) -> _Found:
        """What a schema allows.

        Raises:
            _TooMuchError: That takes too long to find out.
        """
        self._spend(1)
        if not isinstance(schema, dict) or depth < 1 or not self._may_begin(schema):
            return _UNTYPED
        lists = (value for word in _LISTS if isinstance(value := schema.get(word), list))
        self._spend(sum(map(len, lists)) // _VALUES_PER_NODE)
        self._within.append(schema)
        try:
            return self._reduce(schema, depth)
        finally:
            self._within.pop()

    def _may_begin(self, schema: dict[str, Any]) -> bool:
        """Whether it is not within itself, or within too many others."""
        return len(self._within) < _MAX_WITHIN and all(schema is not one for one in self._within)

    def _spend(self, nodes: int) -> None:
        self._nodes -= nodes
        if self._nodes < 0:
            raise _TooMuchError

    def _reduce(self, schema: dict[str, Any], depth: int) -> _Found:
        if schema is self._root and "properties" in schema:
            return _Found(self._object(schema, depth))  # arguments are an object in any case
        if "$id" in schema and schema is not self._root:
            return _UNTYPED  # what it refers to by "#" is itself
        if any(word in schema for word in _REFERENCES):
            return self._follow(schema, depth)
        if any(word in schema for word in ("type", "enum", "const")):
            return self._of_kind(schema, depth)
        return self._combine(schema, depth)

    def _follow(self, schema: dict[str, Any], depth: int) -> _Found:
        """What is referred to. Draft-07 ignores what is beside, 2020-12 does not."""
        reference = schema.get("$ref")
        if not isinstance(reference, str) or not schema.keys() <= _BESIDE_REFERENCE:
            return _UNTYPED
        return self.read(_at(self._root, reference), depth)

    def _of_kind(self, schema: dict[str, Any], depth: int) -> _Found:
        kind, null = _kind(schema)
        if kind == "object":
            return _some(self._object(schema, depth), null=null)
        if kind == "array":
            # With prefixItems, "items" is about the rest.
            items = None if "prefixItems" in schema else schema.get("items")
            element = self.read(items, depth - 1).type
            return _some(None if element is None else SetOf(element), null=null)
        if kind == "null":
            return _Found(null=True)
        return _some(Scalar(_SCALARS[kind]) if kind in _SCALARS else None, null=null)

    def _combine(self, schema: dict[str, Any], depth: int) -> _Found:
        """What alternatives allow that are of one type, null aside."""
        words = [word for word in ("anyOf", "oneOf", "allOf") if word in schema]
        options = schema[words[0]] if len(words) == 1 else None
        if not isinstance(options, list) or (words == ["allOf"] and len(options) > 1):
            return _UNTYPED
        found = [self.read(option, depth) for option in options]
        kinds = [one.type for one in found if one.type is not None]
        if _UNTYPED in found or any(one != kinds[0] for one in kinds):
            return _UNTYPED
        return _Found(kinds[0] if kinds else None, any(one.null for one in found))

    def _object(self, schema: dict[str, Any], depth: int) -> Record | None:
        properties, is_top = schema.get("properties"), depth == MAX_DEPTH
        if not isinstance(properties, dict) or (len(properties) > MAX_PROPERTIES and not is_top):
            return None
        found: dict[str, _Found] = {}
        for count, (name, member) in enumerate(properties.items()):
            try:
                few = count < MAX_PROPERTIES
                found[name] = self.read(member, depth - 1) if few else _UNTYPED
            except _TooMuchError:
                if not is_top:
                    raise  # all of an argument is untyped, not just where it became too much
                found[name] = _UNTYPED
        return _record(found, schema.get("required"))


def _record(found: Mapping[str, _Found], required: object) -> Record:
    fields = {name: one.type for name, one in found.items() if one.type is not None}
    names = required if isinstance(required, list) else []
    needed = {name for name in names if isinstance(name, str) and name in fields}
    return Record(
        fields,
        frozenset(name for name in needed if not found[name].null),
        tuple(path for name, one in found.items() for path in _untyped(name, one.type)),
    )


def _untyped(name: str, kind: Type | None) -> Iterator[str]:
    """Paths of what is untyped in a member: itself, or what it consists of."""
    while isinstance(kind, SetOf):
        kind = kind.element
    if kind is None:
        yield name
    if isinstance(kind, Record):
        yield from (f"{name}.{path}" for path in kind.untyped)


def _some(kind: Type | None, *, null: bool) -> _Found:
    return _UNTYPED if kind is None else _Found(kind, null)


def _kind(schema: Mapping[str, Any]) -> tuple[str, bool]:
    """The one kind that ``type``, ``enum`` and ``const`` agree on, and whether null may be."""
    stated, valued = _stated(schema), _valued(schema)
    if "number" in stated | valued:
        valued = {"number" if one == "integer" else one for one in valued}
    several = [kinds - {"null"} for kinds in (stated, valued) if kinds]
    if not several or len(several[0]) > 1 or any(one != several[0] for one in several):
        return "", False
    (kind,) = several[0] or {"null"}
    return kind, "null" in stated | valued


def _stated(schema: Mapping[str, Any]) -> set[str]:
    kinds = schema.get("type", [])
    named = kinds if isinstance(kinds, list) else [kinds]
    return {one if isinstance(one, str) else "" for one in named}


def _valued(schema: Mapping[str, Any]) -> set[str]:
    values = schema.get("enum", [schema["const"]] if "const" in schema else [])
    return {_kind_of(value) for value in values} if isinstance(values, list) else {""}


def _kind_of(value: object) -> str:
    if isinstance(value, float):
        return "integer" if value.is_integer() else "number"
    return _KINDS.get(type(value), "")


def _at(root: object, reference: str) -> object:
    """What stands at a local reference (RFC 6901 in a URI's fragment); ``None`` for nothing."""
    if reference[:1] != "#" or len(reference) > _MAX_REFERENCE_CHARS:
        return None
    start, *tokens = unquote(reference[1:]).split("/")
    place = None if start else root
    for token in tokens:
        place = _member(place, token.replace("~1", "/").replace("~0", "~"))
    return place


def _member(place: object, name: str) -> object:
    if isinstance(place, list):
        return place[int(name)] if name.isdecimal() and int(name) < len(place) else None
    return place.get(name) if isinstance(place, dict) else None
