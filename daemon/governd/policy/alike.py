"""Tools whose arguments have the same types, as far as a policy looks at them.

A policy that is about any tool fits the schema for all of them if it fits for one of each
kind; there may be thousands of tools, and a few kinds.
"""

import itertools
from collections.abc import Iterable, Mapping

from governd.policy.argument_types import Record, render
from governd.policy.tools import Tool


class AlikeTools:
    """Tools, told apart by some of their arguments."""

    def __init__(self, tools: Iterable[Tool]) -> None:
        """Takes all tools."""
        self._types = {tool.action: _types(tool) for tool in tools}
        self._having: dict[str, set[str]] = {}
        for action, types in self._types.items():
            for name in types:
                self._having.setdefault(name, set()).add(action)
        self._found: dict[frozenset[str], tuple[str, ...]] = {}

    def one_of_each(self, names: frozenset[str]) -> tuple[str, ...]:
        """The actions of tools that together have every type that some arguments have."""
        if names not in self._found:
            self._found[names] = self._one_of_each(names)
        return self._found[names]

    def _one_of_each(self, names: frozenset[str]) -> tuple[str, ...]:
        order = sorted(names)
        having = set().union(*(self._having.get(name, ()) for name in order))
        kinds = {
            tuple(self._types[action].get(name) for name in order): action
            for action in sorted(having)
        }
        without = (action for action in self._types if action not in having)
        return tuple(kinds.values()) + tuple(itertools.islice(without, 1))


def _types(tool: Tool) -> Mapping[str, str]:
    """The declaration of each argument."""
    record = tool.parameters
    return {
        name: render(Record({name: kind}, record.required & {name}))
        for name, kind in record.fields.items()
    }
