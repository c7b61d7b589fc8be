"""What a scenario is, and what it gets."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias

from bench.client import LoadGenerator
from bench.load import Load, Report
from bench.measure import Effort
from bench.progress import Progress
from bench.results import Result


class Trial(NamedTuple):
    """A load on a server, to be run several times.

    Attributes:
        load: What is asked.
        pid: The server.
    """

    load: Load
    pid: int


@dataclass(frozen=True)
class Bench:
    """What every scenario works with.

    Attributes:
        folder: Scratch space, gone after the run.
        load: The client.
        effort: How often and how long to measure.
        progress: Knows how far the bench is.
        say: Tells whoever watches how it goes.
    """

    folder: Path
    load: LoadGenerator
    effort: Effort
    progress: Progress
    say: Callable[[str], None]

    def rounds(self, full: int) -> Iterator[int]:
        """Counts runs, from 0: so many, or one if in a hurry."""
        return self.progress.rounds(self.effort.runs(full))

    def in_turns(self, full: int, trials: Mapping[str, Trial]) -> Mapping[str, list[Report]]:
        """Runs trials in turns, so that what else happens on the machine meets all alike.

        Args:
            full: How many runs of each.
            trials: By name. Each call has to be answered.

        Raises:
            RuntimeError: A call was not answered.
        """
        reports: dict[str, list[Report]] = {name: [] for name in trials}
        for _ in self.rounds(full):
            for name, trial in trials.items():
                reports[name].append(self._run(name, trial))
        return reports

    def _run(self, name: str, trial: Trial) -> Report:
        report = self.load.run(self.effort.hurry(trial.load), pid=trial.pid)
        if report.errors:
            message = f"{name}: {report.errors} calls failed: {report.first_error}"
            raise RuntimeError(message)
        self.say(
            f"{name:22} {report.per_second:7.0f}/s  p50 {report.p50_ms:.2f}  "
            f"p99 {report.p99_ms:.2f}  p99.9 {report.p999_ms:.2f} ms  cpu {report.cpu_us:.0f} us"
        )
        return report


Scenario: TypeAlias = Callable[[Bench], Iterable[Result]]
