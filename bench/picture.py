"""The last numbers as a picture, ``results.svg``: made from the same records as the table.

Above: how many questions a second each way of asking answers. Below: every number that has
a goal, as a share of the goal on a logarithmic scale: what ends left of the line is good.
Colours follow the reader's light or dark theme; met and missed differ by shape too.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

Record = Mapping[str, Any]

WIDTH = 1080
_LEFT, _RIGHT = 470, 940
_ROW, _BAR = 19, 11
_TOP = 34
_SHARES = (0.01, 0.1, 1.0)
_MOST = 3.0
_STREAMED = "EvaluateStream"
_STYLE = """\
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.head { font-weight: 600; font-size: 14px }
.faint { fill: #59636e } .grid { stroke: #d1d9e0 } .goal { stroke: #1f2328; stroke-width: 1.5 }
.met { fill: #1a7f37 } .missed { fill: #cf222e } .rate { fill: #0969da } .other { fill: #8c959f }
.noop { stroke: #9a6700; stroke-width: 2.5 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .faint { fill: #9198a1 } .grid { stroke: #3d444d } .goal { stroke: #e6edf3 }
.met { fill: #3fb950 } .missed { fill: #f85149 } .rate { fill: #4493f8 } .other { fill: #848d97 }
.noop { stroke: #d29922 }
}"""


class Rate(NamedTuple):
    """A way of asking.

    Attributes:
        label: What it is.
        per_second: Questions, or calls, that it answers in a second.
        ours: Whether it decides, and is governd's.
    """

    label: str
    per_second: float
    ours: bool


def svg(records: Sequence[Record]) -> str:
    """Draws all numbers that there are."""
    rates = sorted(_rates(records), key=lambda rate: -rate.per_second)
    goals = [record for record in records if record["goal"] is not None]
    below = _TOP + len(rates) * _ROW + (2 * _ROW if rates else 0)
    height = below + _TOP + len(goals) * _ROW + 3 * _ROW
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        "<title>What governd measured, beside goals, no-op and peer</title>",
        f"<style>{_STYLE}</style>",
        *(_rate_rows(rates) if rates else ()),
        *_goal_rows(goals, below),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _rates(records: Iterable[Record]) -> Iterator[Rate]:
    """Closed loops with eight in flight where there is a choice, and one caller's leases."""
    wanted = {
        "Evaluate, never repeated, 8 in flight: calls a second": (
            "Evaluate, never asked before, 8 in flight"
        ),
        "Evaluate, repeated, 8 in flight: calls a second": "Evaluate, asked before, 8 in flight",
        f"{_STREAMED}, never repeated, 64 in flight: questions a second": (
            f"{_STREAMED}, never asked before, 64 in flight"
        ),
        f"{_STREAMED}, repeated, 64 in flight: questions a second": (
            f"{_STREAMED}, asked before, 64 in flight"
        ),
    }
    for record in records:
        name, value = record["name"], record["value"]
        if name in wanted:
            yield Rate(wanted[name], value, ours=True)
        if name.startswith("Evaluate, repeated, 8 in flight: calls") and record["floor"]:
            yield Rate("no-op call of the same server, 8 in flight", record["floor"], ours=False)
        if name == "leased answer in Python, with arguments":
            yield Rate("leased answer, in the Python client", 1e6 / value, ours=True)
        if name.startswith("Cerbos") and name.endswith("8 in flight: calls a second"):
            yield Rate(name.partition(":")[0], value, ours=False)


def _rate_rows(rates: Sequence[Rate]) -> Iterator[str]:
    yield _text(8, 18, "Questions a second from one caller (logarithmic)", "head")
    least, most = math.log10(100), math.log10(max(rate.per_second for rate in rates))
    for number, rate in enumerate(rates):
        y = _TOP + number * _ROW
        share = (math.log10(rate.per_second) - least) / (most - least)
        yield _text(_LEFT - 8, y + 10, rate.label, end=True)
        width = max(share, 0.01) * (_RIGHT - _LEFT)
        yield _bar(y, width, "rate" if rate.ours else "other")
        yield _text(_LEFT + width + 8, y + 10, f"{float(f'{rate.per_second:.3g}'):,.0f}/s")


def _goal_rows(records: Sequence[Record], top: float) -> Iterator[str]:
    yield _text(8, top + 18, "Value as a share of its goal (logarithmic)", "head")
    yield _text(_LEFT, top + 18, "left of the line is good", "faint")
    first, bottom = top + _TOP, top + _TOP + len(records) * _ROW
    for share in _SHARES:
        name = "goal" if share == 1 else "grid"
        yield f'<path class="{name}" d="M{_x(share):.1f} {first - 4:.1f}V{bottom:.1f}"/>'
        label = "goal" if share == 1 else f"{share:.1%}".replace(".0", "")
        yield _text(_x(share), bottom + 14, label, "faint", middle=True)
    for number, record in enumerate(records):
        yield from _goal_row(record, first + number * _ROW)
    legend = bottom + 2 * _ROW
    yield f'<path class="noop" d="M{_LEFT} {legend - 10:.1f}v12"/>'
    yield _text(_LEFT + 8, legend, "the no-op call of the same server, same number", "faint")


def _goal_row(record: Record, y: float) -> Iterator[str]:
    unit, goal, met = record["unit"], record["goal"], record["met"]
    yield _text(_LEFT - 8, y + 10, record["name"], end=True)
    yield _bar(y, _x(_share(record, record["value"])) - _LEFT, "met" if met else "missed")
    if record["floor"]:
        x = _x(_share(record, record["floor"]))
        yield f'<path class="noop" d="M{x:.1f} {y - 1:.1f}v{_BAR + 4}"/>'
    said = f"{record['value']:.3g} {unit}" + ("" if met else f" (goal {goal:g})")
    yield _text(_RIGHT + 10, y + 10, ("\u2713 " if met else "\u2717 ") + said)


def _share(record: Record, value: float) -> float:
    """Of the goal; what is to be high is turned over."""
    goal = record["goal"]
    if record["goal_op"] == ">=":
        return goal / value if value > 0 else math.inf
    if goal == 0:
        return 0.0 if value == 0 else math.inf
    return float(value / goal)


def _x(share: float) -> float:
    """Where a share is, within the scale."""
    held = min(max(share, _SHARES[0]), _MOST)
    scale = math.log10(_MOST / _SHARES[0])
    return _LEFT + math.log10(held / _SHARES[0]) / scale * (_RIGHT - _LEFT)


def _bar(y: float, width: float, name: str) -> str:
    size = f'width="{max(width, 2):.1f}" height="{_BAR}"'
    return f'<rect class="{name}" x="{_LEFT}" y="{y + 1:.1f}" {size} rx="2"/>'


def _text(
    x: float, y: float, said: str, name: str = "", *, end: bool = False, middle: bool = False
) -> str:
    anchor = "end" if end else "middle" if middle else "start"
    kind = f' class="{name}"' if name else ""
    return f'<text{kind} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(said)}</text>'
