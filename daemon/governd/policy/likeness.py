"""What a policy looks at, and so which listed things it cannot tell apart.

A list has hundreds of tools, and policies tell a few kinds of them apart: by server, by
what they require, by a name here and there. Two tools with the same candidates are the
same to Cedar where no candidate looks at more of them than attributes that are equal.
Found in Cedar's JSON form
(https://docs.cedarpolicy.com/policies/json-format.html); whatever is not one of the plain
forms below counts as a look at all there is.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from governd.policy.reads import Arguments, accessed, united

_ENTITIES = ("resource", "action")
_OF_PRINCIPAL = "held"


@dataclass(frozen=True, slots=True)
class Looks:
    """What the conditions of a policy, or of several, look at.

    Attributes:
        context: Members of the context; ``None`` for all there may be.
        attributes: Attributes of the resource.
        held: Attributes of the principal that are asked whether the resource is in them.
        whole: ``resource``, ``action``, or both, where more of them is looked at.
    """

    context: Arguments = frozenset()
    attributes: frozenset[str] = frozenset()
    held: frozenset[str] = frozenset()
    whole: frozenset[str] = frozenset()

    def depends_on(self, unknown: frozenset[str]) -> bool:
        """Whether any of some members of the context is looked at."""
        return self.context is None or not self.context.isdisjoint(unknown)


class _Look(NamedTuple):
    """At an attribute of a variable, or at all of it."""

    variable: str
    attribute: str | None


def looks_of(conditions: Iterable[Mapping[str, Any]]) -> Looks:
    """What the conditions of a policy look at.

    A comparison of resource or action with an entity that the policy names is none: who
    tells things apart knows the entities that are named (``mentioned_entities``).
    """
    found = {look for condition in conditions for look in _looks(condition["body"])}
    members = [one.attribute for one in found if one.variable == "context"]
    return Looks(
        context=None if None in members else frozenset(one for one in members if one is not None),
        attributes=_attributes(found, "resource"),
        held=_attributes(found, _OF_PRINCIPAL),
        whole=frozenset(one.variable for one in found if _is_whole(one)),
    )


def looks_united(several: Iterable[Looks]) -> Looks:
    """What any of several policies looks at."""
    looks = tuple(several)
    return Looks(
        context=united(one.context for one in looks),
        attributes=frozenset[str]().union(*(one.attributes for one in looks)),
        held=frozenset[str]().union(*(one.held for one in looks)),
        whole=frozenset[str]().union(*(one.whole for one in looks)),
    )


def _attributes(looks: Iterable[_Look], variable: str) -> frozenset[str]:
    return frozenset(
        one.attribute for one in looks if one.variable == variable and one.attribute is not None
    )


def _is_whole(look: _Look) -> bool:
    """An attribute of an action is as much as all of it: actions have none that we know."""
    return look.variable == "action" or (look.variable == "resource" and look.attribute is None)


def _looks(body: object) -> Iterator[_Look]:
    todo = [body]
    while todo:
        item = todo.pop()
        if isinstance(item, list):
            todo.extend(item)
        elif isinstance(item, dict):
            look = _look(item)
            if look is not None:
                yield look
            elif not _compares(item):
                todo.extend(item.values())


def _look(item: Mapping[str, Any]) -> _Look | None:
    variable = _variable(item)
    if variable:
        return _Look(variable, None)
    access = accessed(item)
    if access is not None:
        variable = _variable(access[0])
        return _Look(variable, access[1]) if variable else None
    sides = _sides(item, "contains")
    if sides is not None and _variable(sides[1]) == "resource" and isinstance(sides[0], dict):
        access = accessed(sides[0])
        if access is not None and "." in sides[0] and _variable(access[0]) == "principal":
            return _Look(_OF_PRINCIPAL, access[1])
    return None


def _compares(item: Mapping[str, Any]) -> bool:
    """Whether resource or action is compared with what a policy names, and nothing else."""
    for operator in ("in", "==", "!="):
        sides = _sides(item, operator)
        if sides is not None:
            left, right = sides
            mirrored = operator != "in" and _is_named(left) and _variable(right) in _ENTITIES
            return mirrored or (_variable(left) in _ENTITIES and _is_named(right))
    test = item.get("is") if len(item) == 1 else None
    return (
        isinstance(test, dict)
        and _variable(test.get("left")) in _ENTITIES
        and _is_named(test.get("in", {"Value": True}))
    )


def _variable(item: object) -> str:
    """The variable that an expression is; ``""`` for any other."""
    if isinstance(item, dict) and item.keys() == {"Var"} and isinstance(item["Var"], str):
        return item["Var"]
    return ""


def _sides(item: Mapping[str, Any], operator: str) -> tuple[object, object] | None:
    operand = item.get(operator) if len(item) == 1 else None
    if isinstance(operand, dict) and operand.keys() == {"left", "right"}:
        return operand["left"], operand["right"]
    return None


def _is_named(item: object) -> bool:
    """Whether an expression is a literal, or a set of literals."""
    if not isinstance(item, dict) or len(item) != 1:
        return False
    return "Value" in item or (
        isinstance(item.get("Set"), list) and all(_is_named(one) for one in item["Set"])
    )
