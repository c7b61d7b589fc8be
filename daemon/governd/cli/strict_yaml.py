"""YAML, read as strictly as everything else.

By the core schema (YAML 1.2.2, section 10.3) in its lower-case forms, so that ``12:30``,
``no`` and a date are texts. Refused, with the place: duplicate keys, keys that are no text,
tags, aliases (a few lines of them can stand for gigabytes) and a second document.
"""

import re
from collections.abc import Callable, Mapping
from typing import NoReturn

import yaml

_TAG = "tag:yaml.org,2002:"


def read(text: str) -> tuple[yaml.Node | None, object]:
    """The node and the value of a text.

    Raises:
        yaml.MarkedYAMLError: It is no YAML, or has what is refused.
        yaml.reader.ReaderError: It has control characters.
        RecursionError: It is nested too deeply.
    """
    node = yaml.compose(text, _Loader)
    return node, None if node is None else _value(node)


def child(node: yaml.Node | None, part: int | str) -> yaml.Node | None:
    """The member or item of a node; ``None`` where there is none."""
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int):
        return node.value[part] if part < len(node.value) else None
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == part), None)
    return None


def line_of(mark: yaml.Mark | None) -> int:
    """A place's line, from 1; 0 for no place."""
    return mark.line + 1 if mark else 0


def _integer(text: str) -> int:
    base = {"0o": 8, "0x": 16}.get(text[:2], 10)
    return int(text, base)


def _float(text: str) -> float:
    return float(text.replace(".inf", "inf").replace(".nan", "nan"))


_INTEGER = r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"
_FLOAT = r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan"
_SCALARS: Mapping[str, tuple[str, list[str], Callable[[str], object]]] = {
    "null": (r"~|null|", [*"~n", ""], lambda _: None),
    "bool": (r"true|false", [*"tf"], "true".__eq__),
    "int": (_INTEGER, [*"-+0123456789"], _integer),
    "float": (_FLOAT, [*"-+.0123456789"], _float),
    "str": (r"(?!)", [""], str),
}
"""What a plain scalar may stand for: its form, how it can begin, its value."""


class _Loader(yaml.SafeLoader):
    """Composes nodes, without aliases."""

    # The library copies this for a class that has none of its own, YAML 1.1's forms in it.
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call] # of types-PyYAML
            _refuse("an alias, which is not read here", event.start_mark)
        return super().compose_node(parent, index)


for _name, (_form, _first, _) in _SCALARS.items():
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(rf"(?:{_form})\Z"), _first)


def _value(node: yaml.Node) -> object:
    if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
        return _members(node)
    if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
        return [_value(item) for item in node.value]
    if isinstance(node, yaml.ScalarNode) and node.tag.removeprefix(_TAG) in _SCALARS:
        return _scalar(node)
    return _refuse(f"the tag {node.tag}, which is not read here", node.start_mark)


def _members(node: yaml.MappingNode) -> dict[str, object]:
    members: dict[str, object] = {}
    for key, value in node.value:
        name = _value(key)
        if not isinstance(name, str):
            _refuse("a key that is no text; put it in quotes", key.start_mark)
        if name in members:
            _refuse(f'the key "{name}" twice', key.start_mark)
        members[name] = _value(value)
    return members


def _scalar(node: yaml.ScalarNode) -> object:
    try:
        return _SCALARS[node.tag.removeprefix(_TAG)][2](node.value)
    except ValueError:
        _refuse("a value that does not fit its type", node.start_mark)


def _refuse(what: str, mark: yaml.Mark) -> NoReturn:
    raise yaml.MarkedYAMLError(problem=f"it has {what}", problem_mark=mark)
