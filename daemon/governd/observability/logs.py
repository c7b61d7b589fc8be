"""Logs as JSON lines on standard error.

One pipeline for governd's own events and for the standard library's ``logging`` (gRPC
and asyncio log there), so that every line parses and every line is redacted.

Promises:
    * ``timestamp`` is RFC 3339 in UTC; ``level``, ``event`` and ``logger`` are always there.
    * Within a call, ``caller``, and ``trace_id`` and ``span_id`` where the caller sent a
      trace context, are there without anyone passing them.
    * The value under a key that looks like a secret's is replaced, at any depth, before
      anything is written.
    * Of libraries only warnings and errors are written, at any level: below that some tell
      what went over the wire, tokens that a server sends back among it.
"""

import logging
import sys
from collections.abc import Callable, Mapping, MutableMapping
from typing import TextIO

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor

REDACTED = "[redacted]"
_SECRET_WORDS = (
    "authorization",
    "token",
    "key",
    "password",
    "passwd",
    "secret",
    "cookie",
    "credential",
)

Context = Callable[[], Mapping[str, str]]
"""Says what is known of the call at hand: empty outside of one."""


def configure(level: str, *, context: Context, stream: TextIO | None = None) -> None:
    """Sets the process's logging up, once, at its start.

    Args:
        level: ``debug``, ``info``, ``warning`` or ``error``; of governd's own lines.
        context: Keys to add to every line.
        stream: Where to write; standard error if not given.
    """
    shared = _shared(context)
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_formatter(shared))
    handler.addFilter(_is_written)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(number)


def get(name: str) -> FilteringBoundLogger:
    """The logger of one part of governd."""
    logger: FilteringBoundLogger = structlog.get_logger(name)
    return logger


def redact(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Replaces values under keys that look like a secret's, at any depth."""
    return {key: _redacted(key, value) for key, value in event.items()}


def _redacted(key: object, value: object) -> object:
    if isinstance(key, str) and _looks_secret(key):
        return REDACTED
    if isinstance(value, Mapping):
        return {name: _redacted(name, inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted("", inner) for inner in value]
    return value


def _is_written(record: logging.LogRecord) -> bool:
    """Whether it is governd's own line, or a library's that warns."""
    # structlog leaves its logger on what it passes on; a library's record has none.
    return record.levelno >= logging.WARNING or hasattr(record, "_logger")


def _looks_secret(key: str) -> bool:
    lowered = key.lower()
    return any(word in lowered for word in _SECRET_WORDS)


def _shared(context: Context) -> list[Processor]:
    def add_context(
        _logger: object, _method: str, event: MutableMapping[str, object]
    ) -> MutableMapping[str, object]:
        # What the line itself says wins over what is known of the call.
        return {**context(), **event}

    return [
        add_context,
        structlog.stdlib.add_logger_name,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]


def _formatter(shared: list[Processor]) -> logging.Formatter:
    """Renders structlog's events and the standard library's records alike."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.PositionalArgumentsFormatter(), *shared],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(default=str),
        ],
    )
