"""What agents get to see of the lists of MCP servers. Pure.

Rules:
    * Order and cursor are kept: a page on which nothing is left is not the end.
    * What is shown is about one subject: private, and fresh for five seconds at most.
    * What no digest covers could change behind everybody's back. Of that, only what a client
      needs to use the entry is shown, unless the server's operator wants more: ``_meta``,
      ``execution`` and ``size``, but not, for example, ``title`` and ``icons``.
    * What a tool requires is nobody's but governd's.
    * ``x-mcp-header`` is taken out: it would have clients copy arguments into HTTP headers. A
      property of that name stays.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from mcp.types.version import MODERN_PROTOCOL_VERSIONS

from governd_client.mcp_lists import Entry, Page
from governd_client.mcp_tools import REQUIRES

MAX_TTL_MS: Final = 5_000
_UNPINNED: Final = ("_meta", "execution", "size")
_SCHEMAS: Final = ("inputSchema", "outputSchema")
_HEADER: Final = "x-mcp-header"
_NAMES: Final = frozenset(
    {"properties", "patternProperties", "dependentSchemas", "$defs", "definitions"}
)
"""Keywords of JSON Schema whose members are not keywords but names, each of a schema."""


def shown_page(
    page: Page,
    shown: Iterable[Entry],
    *,
    valid_for: float,
    revision: str,
    show_unpinned: bool = False,
) -> dict[str, Any]:
    """What may be shown of an answer.

    Args:
        page: The answer.
        shown: What of it may be shown, in its order.
        valid_for: Seconds for which that holds.
        revision: The connection's revision of MCP.
        show_unpinned: Whether members of entries that no digest covers are shown, too.
    """
    entries = [shown_entry(each, show_unpinned=show_unpinned) for each in shown]
    result = {**page.result, page.form.member: entries}
    if revision in MODERN_PROTOCOL_VERSIONS or "ttlMs" in result:
        result["ttlMs"] = _ttl(page.result.get("ttlMs"), valid_for)
    if revision in MODERN_PROTOCOL_VERSIONS or "cacheScope" in result:
        result["cacheScope"] = "private"
    return result


def shown_entry(entry: Entry, *, show_unpinned: bool = False) -> dict[str, Any]:
    """What is shown of an entry that may be shown.

    Args:
        entry: The entry.
        show_unpinned: Whether its members that no digest covers are shown, too.
    """
    item = entry.item
    kept = item if show_unpinned else {key: item[key] for key in _UNPINNED if key in item}
    shown = {**entry.pinned, **kept}
    shown.update({key: _schema(shown[key]) for key in _SCHEMAS if key in shown})
    meta = shown.get("_meta")
    if isinstance(meta, Mapping) and REQUIRES in meta:
        shown["_meta"] = {key: each for key, each in meta.items() if key != REQUIRES}
    return shown


def _schema(value: Any) -> Any:  # noqa: ANN401 - JSON
    """A schema, or whatever else stands in one, without ``x-mcp-header``."""
    if isinstance(value, Mapping):
        return {key: _member(key, each) for key, each in value.items() if key != _HEADER}
    if isinstance(value, list | tuple):
        return [_schema(each) for each in value]
    return value


def _member(keyword: object, value: Any) -> Any:  # noqa: ANN401 - JSON
    if keyword in _NAMES and isinstance(value, Mapping):
        return {name: _schema(each) for name, each in value.items()}
    return _schema(value)


def _ttl(given: object, valid_for: float) -> int:
    """The server's word counts only where it says less."""
    most = given if isinstance(given, int) and not isinstance(given, bool) and given > 0 else 0
    return int(min(most, valid_for * 1000, MAX_TTL_MS))
