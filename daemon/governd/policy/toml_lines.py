"""Lines of a TOML file: where a table or a key stands.

For people who look for a mistake, after the file was read as TOML. Whatever is written in a
form that is not looked for here (inline tables, texts of several lines that look like tables)
is found as the line of what it is in.
"""

import re
from collections.abc import Iterator

_TABLE = re.compile(r"\s*(?P<open>\[\[?)(?P<name>[^\]#]+)\]")
_KEY = re.compile(r"""\s*(?P<name>[A-Za-z0-9_-]+|"[^"]*"|'[^']*')\s*=""")

Path = tuple[str | int, ...]
"""Keys, and indices of arrays, from the top of a document."""


def line_of_path(text: str, path: Path) -> int:
    """The line, from 1, of what stands nearest to a path; 0 for the document itself."""
    best, line = 0, 0
    for number, found in _places(text):
        alike = _alike(found, path)
        if alike > best:
            best, line = alike, number
    return line


def _places(text: str) -> Iterator[tuple[int, Path]]:
    """Each table and key, with its line."""
    table: Path = ()
    counts: dict[Path, int] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if header := _TABLE.match(line):
            table = _table(header, counts)
            yield number, table
        elif key := _KEY.match(line):
            yield number, (*table, _bare(key["name"]))


def _table(header: re.Match[str], counts: dict[Path, int]) -> Path:
    """Where a table is; of arrays, in the element that was begun last."""
    names = [_bare(name) for name in header["name"].split(".")]
    place: Path = ()
    for position, name in enumerate(names, 1):
        place = (*place, name)
        if header["open"] == "[[" and position == len(names):
            counts[place] = counts.get(place, -1) + 1
        if place in counts:
            place = (*place, counts[place])
    return place


def _bare(name: str) -> str:
    return name.strip().strip("\"'")


def _alike(found: Path, path: Path) -> int:
    """How many parts of a path one leads to, or passes on its way; 0 where it leads elsewhere."""
    both = min(len(found), len(path))
    return both if found[:both] == path[:both] else 0
