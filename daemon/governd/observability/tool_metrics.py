"""What is counted of tools: registrations, filtered lists, decisions by tool.

Decisions are counted in plain numbers (``plain``). A tool has series of its own once it
was asked about, and only if policy or a registration knows it: what callers make up is
``other``.
"""

import collections
import re
from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge

from governd.observability import names
from governd.observability.names import OTHER, Metric
from governd.observability.plain import PlainCounter, PlainHistogram

MAX_TOOLS = 1000
"""Tools that have series of their own."""
MAX_TOOLS_OF_SERVER = 200
"""Of one server: so that no server takes the series of all others."""
_LABEL = re.compile(r"[A-Za-z0-9_./-]{1,192}")
_OTHER_TOOL = f"{OTHER}/{OTHER}"


class ToolMetrics:
    """What is counted of tools."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Registers these metrics."""
        registered = names.TOOLS_REGISTERED
        self._registered = Gauge(
            registered.name, registered.help, tuple(registered.labels), registry=registry
        )
        registrations = names.TOOL_REGISTRATIONS
        self._registrations = Counter(
            registrations.name, registrations.help, tuple(registrations.labels), registry=registry
        )
        self._entries = _plain(names.FILTER_ENTRIES, registry)
        self._seconds = PlainHistogram(names.FILTER_DURATION)
        registry.register(self._seconds)
        self._decisions = PlainCounter(names.TOOL_DECISIONS, _tool_labels)
        registry.register(self._decisions)
        self._tools = {_OTHER_TOOL}
        self._of_server: collections.Counter[str] = collections.Counter()

    def registered(self, counts: Mapping[tuple[str, str], int]) -> None:
        """Shows how many definitions there are, by kind and state."""
        for labels, count in counts.items():
            self._registered.labels(*labels).set(count)

    def registration(self, result: str) -> None:
        """Counts a registration: ``taken``, ``unchanged`` or ``refused``."""
        self._registrations.labels(result).inc()

    def filtered(self, kind: str, *, listed: int, shown: int, seconds: float) -> None:
        """Counts a list that was filtered.

        Args:
            kind: Of its entries, in lower case.
            listed: How many entries it had.
            shown: How many are left.
            seconds: How long it took.
        """
        counts = self._entries.counts
        for key, count in (((kind, "shown"), shown), ((kind, "hidden"), listed - shown)):
            counts[key] = counts.get(key, 0) + count
        self._seconds.observe(seconds)

    def decided(self, tool: str, *, allow: bool) -> None:
        """Counts a decision about a call.

        Args:
            tool: ``<server>/<name>`` if policy or a registration knows it, else ``""``.
            allow: Whether it permits.
        """
        counts = self._decisions.counts
        key = (tool, allow)
        if key not in counts:
            key = (self._label(tool), allow)
            counts.setdefault(key, 0)
        counts[key] += 1

    def _label(self, tool: str) -> str:
        """How a tool is called in labels; another's name where it has none of its own."""
        if tool not in self._tools:
            if not self._has_room(tool) or _LABEL.fullmatch(tool) is None:
                return _OTHER_TOOL
            self._tools.add(tool)
            self._of_server[_server(tool)] += 1
        return tool

    def _has_room(self, tool: str) -> bool:
        """Whether one more tool of its server may have series of its own."""
        return (
            len(self._tools) <= MAX_TOOLS and self._of_server[_server(tool)] < MAX_TOOLS_OF_SERVER
        )


def _server(tool: str) -> str:
    return tool.partition("/")[0]


def _plain(metric: Metric, registry: CollectorRegistry) -> PlainCounter:
    counter = PlainCounter(metric, lambda key: [str(one) for one in key])
    registry.register(counter)
    return counter


def _tool_labels(key: tuple[object, ...]) -> list[str]:
    tool, allow = key
    server, _, name = str(tool).partition("/")
    return [server, name, "allow" if allow else "deny"]
