"""Files of policy cases: strict YAML (``strict_yaml``) of at most 1 MiB."""

from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import ValidationError

from governd.cli.strict_yaml import child, line_of, read
from governd.errors import PolicyError, Problem
from governd.policy.cases import CaseFile

_MOST_BYTES = 1 << 20
_WORDS = {
    "missing": "required",
    "extra_forbidden": "unknown key",
    "model_type": "must be a mapping",
}


@dataclass(frozen=True, slots=True)
class LoadedCases:
    """A file of cases.

    Attributes:
        file: Its path, as it was named.
        content: What it says.
        policies_line: The line before the first of its ``policies``.
        entities_line: The line in which its ``entities`` begin; 0 where there are none.
    """

    file: Path
    content: CaseFile
    policies_line: int = 0
    entities_line: int = 0


def load(path: Path) -> LoadedCases:
    """Reads a file of cases.

    Raises:
        PolicyError: With everything that is wrong.
    """
    return parse(_read(path), path)


def parse(text: str, path: Path) -> LoadedCases:
    """Like ``load``, for a text that has been read already; pure."""
    try:
        node, value = read(text)
    except yaml.MarkedYAMLError as error:
        said = ", ".join(part for part in (error.context, error.problem) if part)
        raise _error(path, line_of(error.problem_mark), f"is not read: {said}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _error(path, line, "is not YAML: it has a control character") from error
    except RecursionError as error:
        raise _error(path, 0, "is not read: it is nested too deeply") from error
    try:
        content = CaseFile.model_validate(value)
    except ValidationError as error:
        raise PolicyError(_problems(error, node, path)) from error
    return LoadedCases(path, content, _before_text(node, "policies"), _start(node, "entities"))


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise _error(path, 0, f"cannot be read: {why}") from error
    if len(content) > _MOST_BYTES:
        raise _error(path, 0, f"has more than {_MOST_BYTES} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _error(path, line, "is not valid UTF-8") from error


def _problems(error: ValidationError, node: yaml.Node | None, path: Path) -> list[Problem]:
    """Mistakes with the line of the innermost node that each is about."""
    found: dict[str, Problem] = {}
    for item in error.errors(include_url=False):
        if item["type"] == "too_short" and found:
            continue  # an item that is wrong is no item: that was told
        key, about = _place(node, item["loc"], missing=item["type"] == "missing")
        if item["type"] == "literal_error" and isinstance(about, yaml.MappingNode):
            continue  # the long form of what can be a word, too: what it lacks is told itself
        line = line_of(about.start_mark) if about else 0
        text = item["msg"].removeprefix("Value error, ")
        said = _WORDS.get(item["type"]) or f"{text[:1].lower()}{text[1:]}"
        # A union has something to say for each of its members; the first will do.
        found.setdefault(key, Problem(str(path), line, f"{key}: {said}" if key else said))
    return sorted(found.values(), key=lambda one: one.line)


def _place(
    node: yaml.Node | None, location: tuple[int | str, ...], *, missing: bool
) -> tuple[str, yaml.Node | None]:
    """As much of a location as the file has, and the node there; a missing key counts."""
    names: list[str] = []
    for part in location:
        inner = child(node, part)
        if inner is None and not (missing and part == location[-1]):
            continue  # the name of a model, not of a key
        names.append(f"[{part}]" if isinstance(part, int) else f".{part}")
        node = inner or node
    return "".join(names).removeprefix("."), node


def _before_text(node: yaml.Node | None, name: str) -> int:
    """The line before a text's first: the indicator's own for a block (``policies: |``)."""
    value = child(node, name)
    if not isinstance(value, yaml.ScalarNode):
        return 0
    return line_of(value.start_mark) - (value.style not in {"|", ">"})


def _start(node: yaml.Node | None, name: str) -> int:
    value = child(node, name)
    return line_of(value.start_mark) if value else 0


def _error(path: Path, line: int, message: str) -> PolicyError:
    return PolicyError([Problem(str(path), line, message)])
