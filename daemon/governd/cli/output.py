"""What the verbs print: tables for people, one JSON object for programs.

Nothing that came over a socket or out of a file reaches the terminal as it is: control
characters are shown, not obeyed, and rich reads no markup in it.
"""

import json
from collections.abc import Iterable, Mapping, Sequence

import click
from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from governd.cli.printable import clean

_PIPE_COLUMNS = 160
_MINUTE, _HOUR, _DAY = 60, 3600, 86400

GOOD, BAD, WARN, DIM, STRONG = "green", "bold red", "yellow", "dim", "bold"


def text(words: object, style: str = "") -> Text:
    """Words fit for the terminal."""
    return Text(clean(str(words)), style=style)


def show(*parts: RenderableType) -> None:
    """Prints parts, each on lines of its own."""
    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console = Console(markup=False, highlight=False, emoji=False, width=_PIPE_COLUMNS)
    for part in parts:
        console.print(part, soft_wrap=isinstance(part, Text))


def show_json(value: Mapping[str, object]) -> None:
    """Prints one JSON object, in ASCII so that no terminal can be led astray."""
    click.echo(json.dumps(value, indent=2))


def facts(rows: Iterable[tuple[str, RenderableType]]) -> Table:
    """Names and values, aligned."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style=DIM, no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in rows:
        grid.add_row(name, value if not isinstance(value, str) else text(value))
    return grid


def gap() -> Text:
    """An empty line."""
    return Text()


def table(headers: Sequence[str], rows: Iterable[Sequence[RenderableType]]) -> Table:
    """A table; a header that begins with ``>`` has numbers below it."""
    result = Table(box=box.SIMPLE_HEAD, header_style=STRONG, pad_edge=False, show_edge=False)
    for header in headers:
        justify = "right" if header.startswith(">") else "left"
        result.add_column(header.removeprefix(">"), justify=justify, overflow="fold")  # type: ignore[arg-type]
    for row in rows:
        result.add_row(*(cell if not isinstance(cell, str) else text(cell) for cell in row))
    return result


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    if seconds < _HOUR:
        return f"{int(seconds // _MINUTE)} min {int(seconds % _MINUTE)} s"
    if seconds < _DAY:
        return f"{int(seconds // _HOUR)} h {int(seconds % _HOUR // _MINUTE)} min"
    return f"{int(seconds // _DAY)} d {int(seconds % _DAY // _HOUR)} h"
