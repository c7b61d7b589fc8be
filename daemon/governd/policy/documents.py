"""The files of a policy source as checked values, with every mistake kept.

TOML and JSON are read strictly: no duplicate members, valid UTF-8 (so no lone
surrogates, which only escapes in JSON can name), bounded, and held to a model.
"""

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from typing import NoReturn, TypeVar

from pydantic import BaseModel, ValidationError

from governd.errors import PolicyError, Problem
from governd.policy.toml_lines import Path, line_of_path
from governd.strict_json import unique_members

MAX_FILE_BYTES = 4 << 20
_TOML_LINE = re.compile(r"at line (\d+)")

_Model = TypeVar("_Model", bound=BaseModel)


class Documents:
    """Files by path, and what is wrong with them.

    Attributes:
        problems: Found so far.
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        """Takes the files' content by path."""
        self._files = files
        self.problems: list[Problem] = []

    def __contains__(self, path: str) -> bool:
        """Whether there is a file of that path."""
        return path in self._files

    def paths(self) -> set[str]:
        """The paths of all files."""
        return set(self._files)

    def problem(self, file: str, line: int, message: str) -> None:
        """Keeps a mistake."""
        self.problems.append(Problem(file, line, message))

    def problem_at(self, path: str, place: Path, message: str) -> None:
        """Keeps a mistake that is at a place of a TOML file."""
        key = ".".join(map(str, place))
        line = line_of_path(self._files[path].decode("utf-8", "replace"), place)
        self.problem(path, line, f"{key}: {message}")

    def check(self) -> None:
        """Ends the reading if anything was wrong.

        Raises:
            PolicyError: With every problem, by file and line.
        """
        if self.problems:
            unique = sorted(set(self.problems), key=lambda one: (one.file, one.line, one.message))
            raise PolicyError(unique)

    def text(self, path: str) -> str:
        """A file's text; ``""`` where it is not valid UTF-8 or too long."""
        content = self._files[path]
        if len(content) > MAX_FILE_BYTES:
            self.problem(path, 0, f"has more than {MAX_FILE_BYTES} bytes")
            return ""
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError as error:
            self.problem(path, content.count(b"\n", 0, error.start) + 1, "is not valid UTF-8")
            return ""

    def toml(self, path: str, model: type[_Model]) -> _Model | None:
        """A TOML file as a model; ``None`` where it is not one."""
        try:
            value = tomllib.loads(self.text(path))
        except (ValueError, RecursionError) as error:  # an integer too long is no TOMLDecodeError
            line = _TOML_LINE.search(str(error))
            self.problem(path, int(line[1]) if line else 0, f"is not TOML: {error}")
            return None
        return self._held_to(path, model, value, self.problem_at)

    def json(self, path: str) -> object:
        """A JSON file's value; ``None`` where it is not JSON, or null."""
        try:
            value: object = json.loads(
                self.text(path), object_pairs_hook=unique_members, parse_constant=_no_constant
            )
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            self._refuse_surrogate(path, error)
            return None
        except json.JSONDecodeError as error:
            self.problem(path, error.lineno, f"is not JSON: {error.msg.lower()}")
            return None
        except (ValueError, RecursionError) as error:
            self.problem(path, 0, f"is not JSON: {error}")
            return None
        if value is None:
            self.problem(path, 0, "is null")
        return value

    def _refuse_surrogate(self, path: str, error: UnicodeEncodeError) -> None:
        escape = f"\\u{ord(error.object[error.start]):04x}"
        text = self._files[path].decode().lower()
        line = text.count("\n", 0, text.index(escape)) + 1
        self.problem(path, line, f"has {escape} alone, which is half a character")

    def model(self, path: str, model: type[_Model], value: object) -> _Model | None:
        """A JSON value as a model; ``None``, and each mistake kept, where it is not one."""
        return self._held_to(path, model, value, self._problem_in_json)

    def _held_to(
        self, path: str, model: type[_Model], value: object, keep: Callable[[str, Path, str], None]
    ) -> _Model | None:
        try:
            return model.model_validate(value)
        except ValidationError as error:
            for item in error.errors(include_url=False):
                keep(path, item["loc"], _said(item["msg"]))
            return None

    def _problem_in_json(self, path: str, place: Path, message: str) -> None:
        names = [part for part in place if isinstance(part, str)]
        line = self.line_of(path, names[-1]) if names else 0
        self.problem(path, line, f"{'.'.join(map(str, place))}: {message}")

    def line_of(self, path: str, needle: str) -> int:
        """The line in which ``needle`` first stands, from 1; 0 where it does not."""
        text = self._files[path].decode("utf-8", "replace")
        position = text.find(needle)
        return text.count("\n", 0, position) + 1 if position >= 0 else 0


def _said(message: str) -> str:
    """Pydantic's words in the style of ours."""
    words = {"Extra inputs are not permitted": "unknown key", "Field required": "required"}
    message = words.get(message, message.removeprefix("Value error, "))
    return message[:1].lower() + message[1:]


def _no_constant(text: str) -> NoReturn:
    message = f"{text} is not a number in JSON"
    raise ValueError(message)
