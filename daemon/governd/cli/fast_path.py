"""``healthcheck`` and ``run`` without click.

``healthcheck`` has 100 ms of CPU in all, and what the parent of ``run`` loads it keeps
for as long as the daemon lives. So their few options are read here; whatever is not
plainly understood is left to click, which then explains or complains.
"""

import os
from collections.abc import Iterator, Mapping, Sequence

CONFIG_VARIABLE = "GOVERND_CONFIG"
_RUN = {"--config"}
_HEALTHCHECK = {"--socket", "--service", "--timeout"}


def attempt(arguments: Sequence[str]) -> int | None:
    """Does what is asked, if it is a plain ``healthcheck`` or ``run``.

    Returns:
        The exit code; ``None`` where click must have a look, and nothing was done.
    """
    verb, *rest = arguments or [""]
    if verb == "healthcheck":
        options = read_options(rest, _HEALTHCHECK, flags={"--json"})
        return None if options is None else _healthcheck(options)
    if verb == "run":
        options = read_options(rest, _RUN)
        return None if options is None else _run(options)
    return None


def read_options(
    arguments: Sequence[str], names: set[str], flags: frozenset[str] | set[str] = frozenset()
) -> dict[str, str] | None:
    """Options by name; ``None`` where there is anything else, empty or twice."""
    options: dict[str, str] = {}
    words = iter(arguments)
    for name, value in _pairs(words, names, flags):
        if not value or name in options:
            return None
        options[name] = value
    return options


def _pairs(
    words: Iterator[str], names: set[str], flags: frozenset[str] | set[str]
) -> Iterator[tuple[str, str | None]]:
    for word in words:
        name, equals, value = word.partition("=")
        if word in flags:
            yield word, "yes"
        elif name not in names:
            yield word, None
        elif equals:
            yield name, value
        else:
            yield name, next(words, None)


def _healthcheck(options: Mapping[str, str]) -> int | None:
    from governd.cli.health import report, timeout_of

    timeout = timeout_of(options.get("--timeout"))
    if timeout is None:
        return None
    return report(
        options.get("--socket"),
        options.get("--service", ""),
        timeout=timeout,
        as_json="--json" in options,
    )


def _run(options: Mapping[str, str]) -> int | None:
    from governd.cli.start import start

    return start(options.get("--config") or os.environ.get(CONFIG_VARIABLE) or None)
