"""Parts of a tool's schemas that reach out of it.

``$ref`` and its relatives are followed within a schema only: whoever resolves others
fetches what a stranger names (MCP's list of attacks: server-side request forgery), and what
is fetched can change without the definition. ``x-mcp-header`` has clients copy arguments
into HTTP headers, where others decide on them and log them.

Both are looked for everywhere, in ``default`` and ``enum`` too, because readers that resolve
references mostly do so wherever they meet one. A property that is merely *named* ``$ref``
has a schema, an object, for its value, and no reader takes that for a reference: it is
passed, and its schema is looked at. Where the name stands does not count, since
``properties`` can be the name of a property itself. A member named ``x-mcp-header`` is unsafe
whatever its value: an argument of that name is rarer than a client that is lenient. An
operator can approve it.
"""

from collections.abc import Mapping
from typing import Any

MAX_PATHS = 8
_MAX_PATH_CHARS = 256
_SHOWN_CHARS = 64
_REFERENCES = frozenset({"$ref", "$dynamicRef", "$recursiveRef"})
_HEADER = "x-mcp-header"


def unsafe_parts(schemas: Mapping[str, Any]) -> tuple[str, ...]:
    """The paths of unsafe parts, sorted, at most ``MAX_PATHS``.

    Args:
        schemas: JSON Schemas by the name that paths begin with.
    """
    found: list[str] = []
    todo: list[tuple[str, Any]] = [*schemas.items()]
    while todo:
        path, item = todo.pop()
        if isinstance(item, list):
            todo.extend((f"{path}[{index}]", one) for index, one in enumerate(item))
        elif isinstance(item, dict):
            inner = [(f"{path}.{name[:_SHOWN_CHARS]}", name, one) for name, one in item.items()]
            found += (place[:_MAX_PATH_CHARS] for place, name, one in inner if _unsafe(name, one))
            todo.extend((place, one) for place, _, one in inner)
    return tuple(sorted(found)[:MAX_PATHS])


def _unsafe(name: str, value: object) -> bool:
    if name in _REFERENCES:
        local = isinstance(value, str) and value.startswith("#")
        return not local and not isinstance(value, dict)
    return name == _HEADER
