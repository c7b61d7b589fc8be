r"""A definition as lines that can be compared one by one.

JSON, members sorted, two spaces a level, with two liberties, so that a change shows where it
is and nowhere else: no commas at the ends of lines, and long texts in brackets, cut before
line breaks, after sentences and where they are long::

    "description": (
      "Commits what is staged."
      " Never pushes."
    )

Each line is fit for the terminal (``tool_visible``). Two different values never have the
same lines.
"""

import hashlib
import json
import re
from collections.abc import Iterator

from governd.cli.failure import CANNOT_ASK, Failure
from governd.cli.tool_visible import quoted

_INDENT = "  "
_WIDTH = 64

# A separator begins the next piece, so that a sentence which is added changes none before it.
_SENTENCE = re.compile(r"(?<=[.!?])(?= )|(?<!\n)(?=\n)|(?<=[。！？])")  # noqa: RUF001 - full stops
_PIECE = re.compile(rf".{{1,{_WIDTH}}}(?=\s|\Z)|.{{1,{_WIDTH}}}", re.DOTALL)


def read(text: bytes) -> dict[str, object]:
    """The members of a definition; none where there is no text.

    Raises:
        Failure: It is no JSON object.
    """
    try:
        members = json.loads(text or b"{}")
    except (ValueError, RecursionError):
        members = None
    if not isinstance(members, dict):
        message = "governd sent a definition that is no JSON object"
        raise Failure(message, exit_code=CANNOT_ASK)
    return members


def digest(text: bytes) -> str:
    """The digest of a definition in canonical form, as ``ToolStatus`` has it."""
    return f"sha-256:{hashlib.sha256(text).hexdigest()}"


def of_member(name: str, value: object) -> list[str]:
    """The lines of one member."""
    return list(_lines(f"{quoted(name)}: ", value, "", prose=name == "description"))


def pieces(text: str) -> list[str]:
    """A text cut into sentences, and these where they are long."""
    return [piece for one in _SENTENCE.split(text) for piece in _PIECE.findall(one)]


def _lines(head: str, value: object, indent: str, *, prose: bool = False) -> Iterator[str]:
    """The lines of a value, the first of them with a head.

    Args:
        head: Its name and a colon, or nothing for an item of an array.
        value: Of JSON.
        indent: Of its first and last line.
        prose: Whether it is in brackets however short it is, if it is text.
    """
    if isinstance(value, dict) and value:
        yield f"{indent}{head}{{"
        for name in sorted(value):
            is_prose = name == "description"
            yield from _lines(f"{quoted(name)}: ", value[name], indent + _INDENT, prose=is_prose)
        yield f"{indent}}}"
    elif isinstance(value, list) and value:
        yield f"{indent}{head}["
        for item in value:
            yield from _lines("", item, indent + _INDENT)
        yield f"{indent}]"
    elif isinstance(value, str):
        yield from _text(head, value, indent, prose=prose)
    else:
        yield f"{indent}{head}{json.dumps(value)}"


def _text(head: str, text: str, indent: str, *, prose: bool) -> Iterator[str]:
    parts = pieces(text)
    if len(parts) > 1 or (prose and parts):
        yield f"{indent}{head}("
        yield from (f"{indent}{_INDENT}{quoted(part)}" for part in parts)
        yield f"{indent})"
    else:
        yield f"{indent}{head}{quoted(text)}"
