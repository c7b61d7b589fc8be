"""CPU time of ``governd healthcheck``, which a kubelet runs every few seconds on each node."""

from collections.abc import Iterator

from bench.daemon import GOVERND, serving
from bench.measure import Runs, cpu_seconds
from bench.results import Result
from bench.scenario import Bench


def run(bench: Bench) -> Iterator[Result]:
    """Measures the whole process, from exec to exit, user and system."""
    with serving(bench) as daemon:
        command = [str(GOVERND), "healthcheck", "--socket", str(daemon.admin)]
        cpu_seconds(command)  # the first one fills the page cache
        runs = [cpu_seconds(command) * 1000 for _ in range(bench.effort.runs(20))]
    bench.say(f"{Runs(runs).median:.0f} ms")
    yield Result("CPU of governd healthcheck", Runs(runs), "ms", goal=100)
