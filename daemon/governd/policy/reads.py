"""Which arguments of a tool's call a policy looks at, and what of a delegation.

Most policies look at none, or at one. What none of a question's candidates looks at can
change nothing, so it need not reach Cedar, and questions that differ in nothing else are
the same question. Found in Cedar's JSON form
(https://docs.cedarpolicy.com/policies/json-format.html); whatever is not a plain
``context.args.name`` or ``context.args has name`` counts as a look at all of them.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_CONTEXT = {"Var": "context"}
_ACCESS = (".", "has")

Arguments = frozenset[str] | None
"""Names of arguments, or of other members of a record; ``None`` for all there may be."""


def arguments_read(conditions: Iterable[Mapping[str, Any]]) -> Arguments:
    """The arguments that the conditions of a policy look at."""
    return _read(conditions, "args")


def delegation_read(conditions: Iterable[Mapping[str, Any]]) -> Arguments:
    """The members of ``context.delegation`` that the conditions of a policy look at."""
    return _read(conditions, "delegation")


def united(several: Iterable[Arguments]) -> Arguments:
    """What any of several policies looks at."""
    names: set[str] = set()
    for one in several:
        if one is None:
            return None
        names |= one
    return frozenset(names)


def _read(conditions: Iterable[Mapping[str, Any]], record: str) -> Arguments:
    """The members of a record of the context that are looked at."""
    found = {name for condition in conditions for name in _names(condition["body"], record)}
    return None if None in found else frozenset(name for name in found if name is not None)


def _names(body: object, record: str) -> Iterator[str | None]:
    """Each name that is looked at; ``None`` for a look at everything."""
    of_record = {".": {"left": _CONTEXT, "attr": record}}
    todo = [body]
    while todo:
        item = todo.pop()
        if isinstance(item, list):
            todo.extend(item)
        elif isinstance(item, dict):
            if item == _CONTEXT:
                yield None
            access = accessed(item)
            if access is None:
                todo.extend(item.values())
            elif access[0] == of_record:
                yield access[1]
            elif access == (_CONTEXT, record) and "has" not in item:
                yield None
            elif access[0] != _CONTEXT:
                todo.append(access[0])


def accessed(item: Mapping[str, Any]) -> tuple[object, str] | None:
    """What an attribute is taken of, or asked for, and its name; ``None`` for anything else."""
    if len(item) != 1:
        return None
    ((operator, operand),) = item.items()
    if operator not in _ACCESS or not isinstance(operand, dict):
        return None
    if operand.keys() != {"left", "attr"} or not isinstance(operand["attr"], str):
        return None
    return operand["left"], operand["attr"]
