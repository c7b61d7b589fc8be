"""Reads the settings from a TOML file and the environment.

All mistakes come at once, as one ``ConfigError`` with a ``Problem`` for each: its file and
line or its variable, the key, and what was expected. Nothing is read but the one file.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from governd.config import listeners, rules
from governd.config.document import (
    Document,
    Location,
    Mistake,
    leaves,
    read_environment,
    read_toml,
)
from governd.config.sections import Config
from governd.errors import ConfigError, Problem

_MAX_FILE_BYTES = 1_048_576
_MAX_SHOWN = 60
_EXPECTED = {
    "missing": "expected a value, there is none",
    "model_type": "expected a table",
    "union_tag_not_found": "expected a table",
}


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """Reads all settings.

    Args:
        path: The TOML file; ``None`` for the environment alone.
        environ: The environment, usually ``os.environ``.

    Raises:
        ConfigError: Some setting is missing, unknown or not what was expected.
    """
    text = _read(path) if path else ""
    file = str(path) if path else ""
    base = path.absolute().parent if path else Path("/")
    return parse(text, file=file, base=base, environ=environ)


def parse(text: str, *, file: str, base: Path, environ: Mapping[str, str]) -> Config:
    """Like ``load``, for a text that has been read already; pure.

    Args:
        text: The TOML text.
        file: Its name in messages.
        base: The directory that relative paths in the text count from.
        environ: The environment.

    Raises:
        ConfigError: Some setting is missing, unknown or not what was expected.
    """
    values, problems = read_toml(text, file)
    variables, unknown = read_environment(environ, Config)
    document = Document(file, text, variables)
    if problems:
        raise ConfigError(problems + unknown)
    merged = document.merged(values)
    mistakes = [*_mistakes(merged, base), *rules.broken(merged, base)]
    problems = [document.problem(*mistake) for mistake in mistakes]
    if problems or unknown:
        raise ConfigError(sorted({*problems, *unknown}, key=_order))
    return Config.model_validate(merged, context={"base": base})


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE_BYTES + 1)
        text = data.decode("utf-8")
    except OSError as error:
        problem = f"expected a readable file: {(error.strerror or 'unknown error').lower()}"
        raise ConfigError([Problem(str(path), 0, problem)]) from error
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError([Problem(str(path), line, "expected UTF-8")]) from error
    if len(data) > _MAX_FILE_BYTES:
        problem = f"expected a file of at most {_MAX_FILE_BYTES} bytes"
        raise ConfigError([Problem(str(path), 0, problem)])
    return text


def _order(problem: Problem) -> tuple[str, int, str]:
    return problem.file, problem.line, problem.message


def _mistakes(values: Mapping[str, object], base: Path) -> Iterator[Mistake]:
    """What the sections themselves find wrong."""
    try:
        Config.model_validate(values, context={"base": base})
    except ValidationError as error:
        for details in error.errors(include_url=False):
            yield _place(details), _expected(details)


def _place(details: ErrorDetails) -> Location:
    """The setting that is wrong, without the kind of listener that pydantic names as well."""
    location = details["loc"]
    if details["type"] == "union_tag_invalid":
        return (*location, "attestation")
    kind = location[2:3] if location[0] == "listener" else ()
    return location[:2] + location[3:] if kind else location


def _expected(details: ErrorDetails) -> str:
    """What was expected, in the words of our messages."""
    match details["type"]:
        case kind if kind in _EXPECTED:
            return _EXPECTED[kind]
        case "union_tag_invalid":
            kinds = " or ".join(map(repr, listeners.SECTIONS))
            return f"expected {kinds}{_given(details['ctx']['tag'])}"
        case "extra_forbidden":
            return f"unknown key{_suggestion(details['loc'])}"
        case "tuple_type":
            return f"expected an array{' of tables' if _holds_tables(details['loc']) else ''}"
        case "value_error":
            return details["msg"].removeprefix("Value error, ")
        case _:
            said = details["msg"].removeprefix("Input should be ")
            return f"expected {said[:1].lower()}{said[1:]}{_given(details['input'])}"


def _suggestion(location: Location) -> str:
    """The known key that ``location`` may have meant."""
    known = sorted(_section_at(location[:-1]).model_fields)
    close = difflib.get_close_matches(str(location[-1]), known, n=1)
    return f', did you mean "{close[0]}"?' if close else f", expected one of {', '.join(known)}"


def _section_at(location: Sequence[int | str]) -> type[BaseModel]:
    """The section at a place within the settings, where a listener's kind is told too."""
    if location and location[0] == "listener":
        return listeners.SECTIONS[str(location[2])]
    model: type[BaseModel] = Config
    for key in location:
        if isinstance(key, str):  # else the place within an array, whose kind is known
            model = next(_sections_of(model.model_fields[key].annotation), model)
    return model


def _sections_of(annotation: object) -> Iterator[type[BaseModel]]:
    """The kinds of sections that a setting has, itself or as an array of them."""
    for kind in leaves(annotation):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield kind


def _holds_tables(location: Location) -> bool:
    parent = _section_at(location[:-1])
    return any(_sections_of(parent.model_fields[str(location[-1])].annotation))


def _given(value: object) -> str:
    """What was there instead, cut to a line; ``""`` where that would not help."""
    if isinstance(value, bool):
        return f", got {str(value).lower()}"
    if isinstance(value, str | float) or (isinstance(value, int) and value.bit_length() <= 64):  # noqa: PLR2004 — TOML's own bound
        shown = repr(value)
        return f", got {shown[:_MAX_SHOWN]}"
    return ""
