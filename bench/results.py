"""The numbers: what one says, where they are kept, how they are shown.

``results.json`` is a list of objects, one for each number. The table in the README is
made from it, and so is the picture, so that they never differ.
"""

import json
import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bench import picture
from bench.measure import Runs

HOME = Path(__file__).resolve().parent
RESULTS = HOME / "results.json"
README = HOME / "README.md"
PICTURE = HOME / "results.svg"
_BEGIN, _END = "<!-- results: begin -->", "<!-- results: end -->"
_COMPARE = {"<": operator.lt, "<=": operator.le, ">=": operator.ge, "=": operator.eq}
_COLUMNS = ("scenario", "what", "value", "goal", "met", "no-op", "ratio", "runs", "spread")

Comparison = Literal["<", "<=", ">=", "="]


@dataclass(frozen=True)
class Result:
    """One number.

    Attributes:
        name: What it is, in words that stand alone.
        runs: What was measured; the median counts.
        unit: Of the value, the goal and the floor.
        goal: What it is to reach; ``None`` for a number that is only published.
        goal_op: How the value is to compare with the goal.
        floor: The same of the no-op call, where there is one.
        req: Ids of the requirements that the goal shows as a whole.
    """

    name: str
    runs: Runs
    unit: str
    goal: float | None = None
    goal_op: Comparison = "<"
    floor: Runs | None = None
    req: tuple[str, ...] = ()

    def record(self, scenario: str) -> dict[str, Any]:
        """As it is kept."""
        value = self.runs.median
        floor = self.floor.median if self.floor else None
        return {
            "name": self.name,
            "scenario": scenario,
            "value": _rounded(value),
            "unit": self.unit,
            "goal": self.goal,
            "goal_op": self.goal_op if self.goal is not None else None,
            "met": None if self.goal is None else _COMPARE[self.goal_op](value, self.goal),
            "floor": None if floor is None else _rounded(floor),
            "ratio": _rounded(value / floor) if floor else None,
            "runs": len(self.runs.values),
            "spread": _rounded(self.runs.spread),
            "req": list(self.req),
        }


def _rounded(number: float) -> float:
    """Four digits that count: more would be noise."""
    return float(f"{number:.4g}")


def keep(name: str, records: Sequence[dict[str, Any]], *, order: Sequence[str]) -> None:
    """Puts a scenario's numbers in the place of its old ones, and the README's table too.

    Args:
        name: Of the scenario.
        records: Its numbers.
        order: All scenarios, as the table is to show them; what others left is dropped.
    """
    old = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else []
    others = [one for one in old if one["scenario"] != name and one["scenario"] in order]
    merged = sorted([*others, *records], key=lambda one: order.index(one["scenario"]))
    RESULTS.write_text(json.dumps(merged, indent=2) + "\n", encoding="utf-8")
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(_BEGIN)
    after = rest.partition(_END)[2]
    README.write_text(f"{before}{_BEGIN}\n{_shown(merged)}\n{_END}{after}", encoding="utf-8")
    PICTURE.write_text(picture.svg(merged), encoding="utf-8")


def _shown(records: Sequence[dict[str, Any]]) -> str:
    """What has a goal, and the rest to be unfolded."""
    guarded = [one for one in records if one["goal"] is not None]
    rest = [one for one in records if one["goal"] is None]
    summary = f"<summary>{len(rest)} numbers without a goal</summary>"
    return f"{table(guarded)}\n\n<details>{summary}\n\n{table(rest)}\n\n</details>"


def table(records: Iterable[dict[str, Any]]) -> str:
    """Numbers as a Markdown table that can also be read as it is."""
    rows = [_COLUMNS, *(_cells(record) for record in records)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_COLUMNS))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    rule = "| " + " | ".join("-" * width for width in widths) + " |"
    return "\n".join([lines[0], rule, *lines[1:]])


def _cells(record: dict[str, Any]) -> tuple[str, ...]:
    unit, goal, met = record["unit"], record["goal"], record["met"]
    return (
        record["scenario"],
        record["name"],
        f"{record['value']:g} {unit}",
        "" if goal is None else f"{record['goal_op']} {goal:g} {unit}",
        {None: "", True: "yes", False: "**no**"}[met],
        "" if record["floor"] is None else f"{record['floor']:g} {unit}",
        "" if record["ratio"] is None else f"{record['ratio']:.2f}",
        str(record["runs"]),
        f"{record['spread']:.0%}",
    )
