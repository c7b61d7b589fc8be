"""What of a card is signed: its members by A2A's own schema, without those that say nothing.

Follows A2A v1.0, section 8.4.1: required members stay even if empty, members that were set
stay where that can be told, other defaults go. Done on the JSON as it came, so that a member
which the schema does not know is signed like every other.

Promises:
    * Removing a default changes nothing of what is returned, and adding one neither.
    * A member has one spelling: ``security_requirements``, which a reader of ProtoJSON takes
      for ``securityRequirements`` and others overlook, is refused.
"""

from collections.abc import Collection, Mapping
from typing import Any, NoReturn, TypeVar

from governd.errors import CardError
from governd.kya.card_schema import (
    CARD,
    FLAG,
    MESSAGES,
    OLD_MEMBERS,
    ONE_OF,
    STRUCT,
    TEXT,
    Field,
    Form,
    Presence,
    second_spelling,
)

_MAX_FIELD_CHARS = 512
_SHOWN_CHARS = 64
_PLAIN: Mapping[str, type] = {TEXT: str, FLAG: bool, STRUCT: dict}
_WORDS = {str: "text", bool: "true or false", dict: "an object", list: "a list"}
_SPELLINGS = {
    message: frozenset(second_spelling(member) for member in fields) - fields.keys()
    for message, fields in MESSAGES.items()
}
_CARD_SPELLINGS = _SPELLINGS[CARD] | frozenset(map(second_spelling, OLD_MEMBERS))

_Of = TypeVar("_Of")


def without_defaults(card: Mapping[str, Any], path: str) -> dict[str, Any]:
    """The members of a v1.0 card that are signed.

    Args:
        card: As it was read, without ``signatures``.
        path: Where it stands in a request.

    Raises:
        CardError: A member has another type than A2A gives it, is missing though required,
            or is spelled another way.
    """
    return _message(card, CARD, path)


def check_spellings(card: Mapping[str, Any], path: str) -> None:
    """Refuses a second spelling of a card's own members, of whichever version of A2A.

    A card of one version is read by agents of the other, too.

    Args:
        card: As it was read.
        path: Where it stands in a request.

    Raises:
        CardError: A member has its name in the proto.
    """
    _refuse_any(_CARD_SPELLINGS & card.keys(), path)


def typed(value: object, kind: type[_Of], path: str) -> _Of:
    """A value that has to be of a type.

    Raises:
        CardError: It is of another; ``null`` is of none.
    """
    if not isinstance(value, kind):
        refuse(path, f"must be {_WORDS[kind]}")
    return value


def refuse(path: str, problem: str) -> NoReturn:
    """Raises the error for a place."""
    path = path[:_MAX_FIELD_CHARS]
    message = f"{path}: {problem}"
    raise CardError(message, field=path)


def _message(value: object, name: str, path: str) -> dict[str, Any]:
    members = typed(value, dict, path)
    fields = MESSAGES[name]
    _check_names(members, name, path)
    found = {}
    for member, inner in members.items():
        field = fields.get(member)
        if field is None:
            found[member] = inner
            continue
        kept = _field(inner, field, f"{path}.{member}")
        if kept or field.presence is not Presence.IMPLICIT:
            found[member] = kept
    return found


def _check_names(members: Mapping[str, Any], name: str, path: str) -> None:
    fields = MESSAGES[name]
    _refuse_any(_SPELLINGS[name] & members.keys(), path)
    for member, field in fields.items():
        if field.presence is Presence.REQUIRED and member not in members:
            refuse(f"{path}.{member}", "required")
    if name in ONE_OF and len(members.keys() & fields.keys()) > 1:
        refuse(path, "must have one member only")


def _refuse_any(members: Collection[str], path: str) -> None:
    for member in sorted(members):
        refuse(f"{path}.{member}", "is a second spelling of a member")


def _field(value: object, field: Field, path: str) -> object:
    kind = field.kind
    if field.form is Form.LIST:
        listed = typed(value, list, path)
        return [_value(one, kind, f"{path}[{index}]") for index, one in enumerate(listed)]
    if field.form is Form.MAP:
        mapped = typed(value, dict, path)
        places = {key: f"{path}.{key[:_SHOWN_CHARS]}" for key in mapped}
        return {key: _value(one, kind, places[key]) for key, one in mapped.items()}
    return _value(value, kind, path)


def _value(value: object, kind: str, path: str) -> object:
    plain = _PLAIN.get(kind)
    return _message(value, kind, path) if plain is None else typed(value, plain, path)
