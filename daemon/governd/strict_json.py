"""JSON of strangers, read strictly: what two readers could take differently is refused.

Follows RFC 8259 and I-JSON (RFC 7493): valid UTF-8 without halves of surrogate pairs, no
member twice, numbers that a double holds. Whatever is accepted has one canonical form
(RFC 8785), and that form is accepted again and is its own.
"""

import json
import math
from typing import Any, NoReturn, TypeVar

from governd.errors import DefinitionError

_LARGEST = 2**53 - 1
_SHOWN_CHARS = 64
_MAX_FIELD_CHARS = 512

_EXPONENT_FROM = 1e21
"""From here on a canonical number has an exponent, and no reader takes it for an integer."""

_Of = TypeVar("_Of")


def read_object(text: bytes, *, max_bytes: int, max_depth: int, path: str) -> dict[str, Any]:
    """Reads one JSON object.

    Args:
        text: In UTF-8.
        max_bytes: Of the text.
        max_depth: Levels of nesting, the object itself being the first.
        path: Where it stands in a request.

    Raises:
        DefinitionError: It is anything else; ``field`` is the path to the place.
    """
    if len(text) > max_bytes:
        refuse(path, f"has {len(text)} bytes, the limit is {max_bytes}")
    value = _load(text, path, max_depth)
    if not isinstance(value, dict):
        refuse(path, "must be a JSON object")
    _check(value, path, max_depth)
    return value


def typed(value: object, kind: type[_Of], path: str) -> _Of:
    """A value that has to be of a type.

    Raises:
        DefinitionError: It is of another.
    """
    if not isinstance(value, kind):
        refuse(path, f"must be {_NAMES[kind]}")
    return value


_NAMES = {str: "text", dict: "an object", list: "a list", bool: "true or false"}


def refuse(path: str, problem: str, cause: Exception | None = None) -> NoReturn:
    """Raises the error for a place."""
    path = path[:_MAX_FIELD_CHARS]
    message = f"{path}: {problem}"
    raise DefinitionError(message, field=path) from cause


def _load(text: bytes, path: str, max_depth: int) -> object:
    try:
        value: object = _DECODER.decode(text.decode("utf-8"))
    except UnicodeDecodeError as error:
        refuse(path, "is not valid UTF-8", error)
    except RecursionError as error:
        _refuse_depth(path, max_depth, error)
    except json.JSONDecodeError as error:
        refuse(path, f"is not JSON: {error.msg.lower()} at character {error.pos}", error)
    except ValueError as error:  # the hooks', and an integer of thousands of digits
        refuse(path, f"is not JSON that has one meaning: {error}", error)
    return value


def unique_members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object's members, for a decoder's ``object_pairs_hook``.

    Raises:
        ValueError: One comes twice.
    """
    members = dict(pairs)
    if len(members) != len(pairs):
        message = "an object has a member twice"
        raise ValueError(message)
    return members


def _constant(text: str) -> NoReturn:
    message = f"{text} is not a number"
    raise ValueError(message)


_DECODER = json.JSONDecoder(object_pairs_hook=unique_members, parse_constant=_constant)


def _check(value: object, path: str, max_depth: int) -> None:
    """Holds everything within a value to the rules, without recursion."""
    todo = [(value, path, max_depth)]
    while todo:
        item, place, levels = todo.pop()
        if isinstance(item, dict | list) and levels < 1:
            _refuse_depth(place, max_depth)
        if isinstance(item, dict):
            for name, member in item.items():
                _check_name(name, place)
                todo.append((member, f"{place}.{name[:_SHOWN_CHARS]}", levels - 1))
        elif isinstance(item, list):
            todo.extend((one, f"{place}[{index}]", levels - 1) for index, one in enumerate(item))
        elif isinstance(item, str):
            _check_text(item, place)
        elif isinstance(item, int | float):
            _check_number(item, place)


def _check_name(name: str, path: str) -> None:
    _check_text(name, path)
    if "\0" in name:
        refuse(path, "has a member with a NUL character in its name")


def _check_text(text: str, path: str) -> None:
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            refuse(path, "has half a surrogate pair, which is not valid Unicode", error)


def _check_number(number: float, path: str) -> None:
    if isinstance(number, float):
        if not math.isfinite(number):
            refuse(path, "has a number beyond what a double holds")
        if abs(number) >= _EXPONENT_FROM:
            return
    if abs(number) > _LARGEST:  # a number this large without an exponent is an integer
        refuse(path, "has an integer beyond 2^53 - 1, which not every reader takes exactly")


def _refuse_depth(path: str, max_depth: int, cause: Exception | None = None) -> NoReturn:
    refuse(path, f"is nested deeper than {max_depth} levels", cause)
