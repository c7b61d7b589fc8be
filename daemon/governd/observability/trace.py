"""W3C trace context as callers send it, parsed strictly.

Follows Trace Context Level 1, section 3.2 (https://www.w3.org/TR/trace-context/): version
00 has exactly 55 characters, a higher version at least those and then a dash, version ff
and ids of zeros only are invalid, hex is in lower case. A header that breaks a rule, or
comes twice, is ignored as if it were absent: a trace is never worth a refused call.

``opentelemetry-api`` parses this too, but costs 10 MiB in every governd.

Invariants:
    * ``parse(str(context)) == context`` for every context that was accepted.
    * Nothing a caller sends makes ``parse`` or ``from_metadata`` raise.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

TRACEPARENT = "traceparent"
_SAMPLED = 0x01
_FORM = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})"
    r"(?P<more>-.*)?",
    re.ASCII | re.DOTALL,
)
_ZERO_TRACE = "0" * 32
_ZERO_SPAN = "0" * 16


@dataclass(frozen=True, slots=True)
class TraceContext:
    """The caller's place in a distributed trace.

    Attributes:
        trace_id: 32 lower-case hex digits, not all zero.
        parent_span_id: The caller's span: 16 lower-case hex digits, not all zero.
        sampled: Whether the caller may have recorded the trace.
    """

    trace_id: str
    parent_span_id: str
    sampled: bool

    def __str__(self) -> str:
        """The header's text, version 00."""
        return f"00-{self.trace_id}-{self.parent_span_id}-{int(self.sampled):02x}"


def parse(header: str) -> TraceContext | None:
    """Reads a ``traceparent`` header; ``None`` for one that is not valid."""
    match = _FORM.fullmatch(header)
    if match is None or match["version"] == "ff":
        return None
    if match["version"] == "00" and match["more"] is not None:
        return None
    if match["trace"] == _ZERO_TRACE or match["span"] == _ZERO_SPAN:
        return None
    return TraceContext(match["trace"], match["span"], bool(int(match["flags"], 16) & _SAMPLED))


def from_metadata(metadata: Iterable[tuple[str, str | bytes]]) -> TraceContext | None:
    """The trace context in a call's metadata.

    Two ``traceparent`` entries count as none: which of them another reader would take is
    anyone's guess.
    """
    found: str | bytes | None = None
    for key, value in metadata:
        if key == TRACEPARENT:
            if found is not None:
                return None
            found = value
    return parse(found) if isinstance(found, str) else None
