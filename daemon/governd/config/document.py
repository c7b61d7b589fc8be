"""Where a setting was written: in the TOML text, or in a variable of the environment.

Pure: takes the text and the variables, and finds the place of each value again for a
message. The environment wins over the file. A variable's value is written as it would be
in the file, only that texts and paths need no quotes.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from governd.errors import Problem

Location = tuple[int | str, ...]
"""Path of a setting: ``("listener", 0, "socket")``."""
Mistake = tuple[Location, str]
"""Where, and what was expected."""

PREFIX = "GOVERND_"
ENVIRONMENT = "environment"
_SEPARATOR = "__"
_OF_CLIENTS = frozenset({"GOVERND_ADMIN_SOCKET", "GOVERND_CONFIG", "GOVERND_SOCKET"})
_SERVICE_LINK = re.compile(
    r"GOVERND(_[A-Z0-9]+)*_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?"
    r"|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
    r"|GOVERND_PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?"
)
_HEADER = re.compile(r"\s*(?P<open>\[\[?)\s*(?P<name>[A-Za-z0-9_.-]+)\s*\]")
_KEY = re.compile(r"\s*(?P<name>[A-Za-z0-9_.-]+)\s*=")


@dataclass(frozen=True, slots=True)
class Variable:
    """One setting from the environment.

    Attributes:
        name: As in the environment.
        location: The setting that it gives.
        value: What it gives.
    """

    name: str
    location: Location
    value: object


@dataclass(frozen=True, slots=True)
class Document:
    """All that was written, file and environment together.

    Attributes:
        file: Name of the file, for messages; ``""`` where there is none.
        text: Its text.
        variables: The settings from the environment.
    """

    file: str
    text: str
    variables: tuple[Variable, ...]

    def problem(self, location: Location, message: str) -> Problem:
        """A mistake at ``location``, with its file and line, or its variable."""
        key = _dotted(location)
        for variable in self.variables:
            if location[: len(variable.location)] == variable.location:
                return Problem(ENVIRONMENT, 0, f"{variable.name}: {key}: {message}")
        line = _line_of(self.text, location)
        return Problem(self.file or ENVIRONMENT, line, f"{key}: {message}")

    def merged(self, values: dict[str, object]) -> dict[str, object]:
        """The file's ``values`` with the environment's put over them."""
        merged = dict(values)
        for variable in self.variables:
            section, *keys = map(str, variable.location)
            if not keys:
                merged[section] = variable.value
                continue
            inner = merged.get(section, {})
            if isinstance(inner, dict):  # else the file's mistake is reported
                merged[section] = {**inner, keys[0]: variable.value}
        return merged


def read_toml(text: str, file: str) -> tuple[dict[str, object], list[Problem]]:
    """The values of a TOML text, and what is wrong with it as TOML."""
    try:
        return tomllib.loads(text), []
    except RecursionError:
        return {}, [Problem(file, 0, "the values are nested too deeply")]
    except ValueError as error:  # a number of too many digits is no TOMLDecodeError
        message = str(error)
        found = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", message)
        line = int(found[1] or text.count("\n") + 1) if found else 0
        said = message[: found.start()] if found else message
        return {}, [Problem(file, line, f"not TOML: {said[:1].lower()}{said[1:]}")]


def read_environment(
    environ: Mapping[str, str], model: type[BaseModel]
) -> tuple[tuple[Variable, ...], list[Problem]]:
    """The settings of ``model`` in the environment, and the variables that name none."""
    variables: list[Variable] = []
    problems: list[Problem] = []
    for name in sorted(environ):
        if not name.startswith(PREFIX) or _belongs_to_others(name):
            continue
        keys = tuple(name.removeprefix(PREFIX).lower().split(_SEPARATOR))
        setting = _find(model, keys)
        if setting is None:
            problems.append(Problem(ENVIRONMENT, 0, f"{name}: expected the name of a setting"))
        else:
            variables.append(Variable(name, keys, _value(setting, environ[name])))
    return tuple(variables), problems


def _belongs_to_others(name: str) -> bool:
    """Whether a variable is a client's, or made by Kubernetes of a Service's name."""
    return name in _OF_CLIENTS or _SERVICE_LINK.fullmatch(name) is not None


def _find(model: type[BaseModel], keys: tuple[str, ...]) -> FieldInfo | None:
    setting = model.model_fields.get(keys[0])
    section = setting.annotation if setting else None
    if isinstance(section, type) and issubclass(section, BaseModel):
        return _find(section, keys[1:]) if len(keys) > 1 else None
    return setting if len(keys) == 1 else None


def _value(setting: FieldInfo, text: str) -> object:
    """What ``text`` stands for, by the type of the setting."""
    wanted = set(leaves(setting.annotation))
    if Path in wanted:
        return Path(text)  # not relative to the file's directory
    is_text = str in wanted or any(isinstance(choice, str) for choice in wanted)
    return text if is_text else _literal(text)


def leaves(annotation: object) -> Iterator[object]:
    """The types and literals that an annotation is made of."""
    yield annotation
    for inner in get_args(annotation):
        yield from leaves(inner)


def _literal(text: str) -> object:
    """``text`` read as a TOML value; the text itself where it is none."""
    values, problems = read_toml(f"value = {text}", ENVIRONMENT)
    return text if problems or set(values) != {"value"} else values["value"]


def _dotted(location: Location) -> str:
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return "".join(parts).removeprefix(".")


def _line_of(text: str, location: Location) -> int:
    """The line that comes closest to ``location``; 0 for none."""
    best, depth = 0, 0
    for number, here in _places(text):
        if len(here) > depth and location[: len(here)] == here:
            best, depth = number, len(here)
    return best


def _places(text: str) -> Iterator[tuple[int, Location]]:
    """Each line that opens a table or sets a key, with what it is about."""
    table: Location = ()
    seen: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if header := _HEADER.match(line):
            name = header["name"]
            table = tuple(name.split("."))
            if header["open"] == "[[":
                seen[name] = seen.get(name, -1) + 1
                table = (*table, seen[name])
            yield number, table
        elif key := _KEY.match(line):
            yield number, (*table, *key["name"].split("."))
