"""What a scenario is, and what it gets."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from bench.load import LoadGenerator
from bench.measure import Effort
from bench.results import Result


@dataclass(frozen=True)
class Bench:
    """What every scenario works with.

    Attributes:
        folder: Scratch space, gone after the run.
        load: The client.
        effort: How often and how long to measure.
        say: Tells whoever watches how it goes.
    """

    folder: Path
    load: LoadGenerator
    effort: Effort
    say: Callable[[str], None]


Scenario: TypeAlias = Callable[[Bench], Iterable[Result]]
