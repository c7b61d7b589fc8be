"""The arguments of a call, parsed once and strictly.

What is decided on is what was parsed here, so nothing may pass that another JSON reader
could take differently (RFC 8259 section 4, RFC 7493) or that Cedar would turn into
something else. Left to others: which arguments a tool declares (``parameters``).

Invariants of a parsed value:
    * an object at the top, no duplicate members, no member named ``__entity`` or
      ``__extn``, which Cedar would read as an entity or an extension call;
    * integers within 64 bits; other numbers are ``Decimal`` with at most four fraction
      digits, exactly as written, which is what Cedar's ``decimal`` can hold;
    * strings are valid Unicode without NUL; ``null`` members are gone.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import NoReturn, TypeAlias

from governd.errors import ArgumentsError

FIELD = "context.arguments_json"
_MAX_FRACTION_DIGITS = 4
_INT64 = 1 << 63
_MAX_NUMBER_CHARS = 40
_RESERVED = frozenset({"__entity", "__extn"})

Value: TypeAlias = "bool | int | Decimal | str | list[Value | None] | dict[str, Value]"
"""A JSON value; objects have lost their null members, lists keep theirs."""


@dataclass(frozen=True, slots=True)
class ArgumentLimits:
    """Bounds of one question's arguments.

    Attributes:
        max_bytes: Of the JSON text.
        max_depth: Levels of nesting, the object itself being the first.
    """

    max_bytes: int = 65_536
    max_depth: int = 16


@dataclass(frozen=True, slots=True)
class Arguments:
    """Parsed arguments.

    Attributes:
        members: The arguments by name.
        digest: ``sha-256:<hex>`` of the JSON text; the record of what was decided on.
    """

    members: Mapping[str, Value] = field(default_factory=dict)
    digest: str = ""


NO_ARGUMENTS = Arguments()


def parse_arguments(text: bytes, limits: ArgumentLimits) -> Arguments:
    """Reads the arguments of a call.

    Args:
        text: A JSON object in UTF-8, or nothing.
        limits: Bounds on it.

    Raises:
        ArgumentsError: The text breaks a rule; ``field`` is the path to the place.
    """
    if not text:
        return NO_ARGUMENTS
    if len(text) > limits.max_bytes:
        _refuse(f"has {len(text)} bytes, the limit is {limits.max_bytes}")
    value = _load(text, limits)
    if not isinstance(value, dict):
        _refuse("must be a JSON object")
    members = _clean(value, FIELD, limits.max_depth)
    return Arguments(members, "sha-256:" + hashlib.sha256(text).hexdigest())


def _load(text: bytes, limits: ArgumentLimits) -> object:
    try:
        return _DECODER.decode(text.decode("utf-8"))
    except UnicodeDecodeError:
        _refuse("is not valid UTF-8")
    except RecursionError:
        _refuse(f"is nested deeper than {limits.max_depth} levels")
    except json.JSONDecodeError as error:
        _refuse(f"is not JSON: {error.msg.lower()} at character {error.pos}", error)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members: dict[str, object] = {}
    for name, value in pairs:
        if name in members:
            _refuse(f"has the member {_shown(name)} twice")
        if name in _RESERVED:
            _refuse(f"has a member named {_shown(name)}, which is reserved")
        members[name] = value
    return members


def _integer(text: str) -> int:
    if len(text) > _MAX_NUMBER_CHARS or not -_INT64 <= (value := int(text)) < _INT64:
        _refuse(f"has the integer {text[:_MAX_NUMBER_CHARS]}, beyond 64 bits")
    return value


def _number(text: str) -> Decimal:
    if len(text) > _MAX_NUMBER_CHARS:
        _refuse(f"has a number of more than {_MAX_NUMBER_CHARS} characters")
    try:
        value = Decimal(text)
    except InvalidOperation as error:  # an exponent beyond what Decimal can hold
        _refuse(f"has the number {text}, out of range", error)
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -_MAX_FRACTION_DIGITS:
        _refuse(f"has the number {text}, with more than {_MAX_FRACTION_DIGITS} fraction digits")
    if value and abs(value.adjusted()) > len(str(_INT64)):
        _refuse(f"has the number {text}, out of range")
    return value


def _constant(text: str) -> NoReturn:
    _refuse(f"has {text}, which is not a number in JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=_integer,
    parse_float=_number,
    parse_constant=_constant,
)


def _clean(value: dict[str, object], path: str, depth: int) -> dict[str, Value]:
    """The object without its nulls, every string and level checked."""
    if depth < 1:
        _refuse("is nested too deeply", path=path)
    members: dict[str, Value] = {}
    for name, member in value.items():
        _check_text(name, path)
        if member is not None:
            members[name] = _clean_value(member, f"{path}.{_name(name)}", depth - 1)
    return members


def _clean_value(value: object, path: str, depth: int) -> Value:
    if isinstance(value, str):
        _check_text(value, path)
        return value
    if isinstance(value, dict):
        return _clean(value, path, depth)
    if isinstance(value, list):
        if depth < 1:
            _refuse("is nested too deeply", path=path)
        return [
            None if item is None else _clean_value(item, f"{path}[{index}]", depth - 1)
            for index, item in enumerate(value)
        ]
    # INVARIANT: the hooks above leave nothing else.
    assert isinstance(value, bool | int | Decimal)  # noqa: S101
    return value


def _check_text(text: str, path: str) -> None:
    if "\0" in text:
        _refuse("has a NUL character", path=path)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        _refuse("has half a surrogate pair, which is not valid Unicode", error, path=path)


def _shown(name: str) -> str:
    return json.dumps(name[:64])


def _name(name: str) -> str:
    return name[:64]


def _refuse(problem: str, cause: Exception | None = None, *, path: str = FIELD) -> NoReturn:
    message = f"{path} {problem}"
    raise ArgumentsError(message, field=path) from cause
