"""A governd to measure: started as an operator would, on sockets of its own."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import measure
from bench.policies import DEMO
from bench.scenario import Bench

GOVERND = Path(sys.executable).with_name("governd")
NAMES = ("reader", "writer")
"""The demo's agents."""
_STOP_SECONDS = 15

_HEAD = """\
state_directory = "state"
trust_domain = "example.org"
[admin]
socket = "admin.sock"
[policy]
directory = "{policy}"
poll_interval_seconds = {poll}
[metrics]
address = "{metrics}"
[limits]  # out of the way: the transport's and the evaluation's own limits are of interest
calls_per_second = 1000000.0
burst = 1000000
calls_in_flight = 4096
streams = 64
streams_per_connection = 4096
{settings}
"""
_LISTENER = """\
[[listener]]
socket = "{name}.sock"
spiffe_id = "spiffe://example.org/agent/{name}"
"""


@dataclass(frozen=True)
class Daemon:
    """A governd that runs.

    Attributes:
        parent: The process that ``governd run`` began as.
        folder: Where everything of it is.
        sockets: Of its workload listeners.
        started: When it was started, in monotonic seconds.
    """

    parent: subprocess.Popen[bytes]
    folder: Path
    sockets: tuple[Path, ...]
    started: float

    @property
    def pid(self) -> int:
        """The process that answers: the parent's only child."""
        (child,) = measure.children(self.parent.pid)
        return child

    @property
    def admin(self) -> Path:
        """The operator's socket."""
        return self.folder / "admin.sock"

    @property
    def decisions(self) -> int:
        """How many decisions are on record."""
        with (self.folder / "state" / "decisions.jsonl").open("rb") as log:
            return sum(1 for _ in log)


@dataclass(frozen=True)
class Setup:
    """How a governd is set up.

    Attributes:
        names: Of the workload listeners' agents.
        policy: The policy directory.
        poll: How often governd looks for changes of it, in seconds.
        settings: Further sections of the configuration.
        metrics: Address of the metrics; ``""`` for none.
    """

    names: Sequence[str] = (*NAMES, "agent-0")
    policy: Path = DEMO
    poll: float = 1.0
    settings: str = ""
    metrics: str = ""

    def config(self) -> str:
        """The configuration."""
        head = _HEAD.format(
            policy=self.policy, poll=self.poll, metrics=self.metrics, settings=self.settings
        )
        return head + "".join(_LISTENER.format(name=name) for name in self.names)


_USUAL = Setup()


def agents(count: int) -> tuple[str, ...]:
    """Names for so many listeners; the first two are the demo's reader and writer."""
    return (*NAMES, *(f"agent-{number}" for number in range(count)))[:count]


@contextlib.contextmanager
def running(bench: Bench, setup: Setup = _USUAL, *, folder: Path | None = None) -> Iterator[Daemon]:
    """Starts a governd, without waiting until it answers, and stops it in the end.

    Args:
        bench: Has scratch space.
        setup: How it is set up.
        folder: Where one ran before, to start it again with the same state.
    """
    folder = folder or _prepared(bench, setup)
    with (folder / "stderr").open("wb") as stderr:
        started = time.monotonic()
        command = [str(GOVERND), "run", "--config", str(folder / "governd.toml")]
        parent = subprocess.Popen(command, stderr=stderr)
    try:
        sockets = tuple(folder / f"{name}.sock" for name in setup.names)
        yield Daemon(parent, folder, sockets, started)
    except BaseException:
        sys.stderr.buffer.write((folder / "stderr").read_bytes()[-2000:])
        raise
    finally:
        _stop(parent)


@contextlib.contextmanager
def serving(bench: Bench, setup: Setup = _USUAL, *, folder: Path | None = None) -> Iterator[Daemon]:
    """The same, once all its sockets answer that they serve."""
    with running(bench, setup, folder=folder) as daemon:
        bench.load.wait(daemon.sockets)
        yield daemon


def _prepared(bench: Bench, setup: Setup) -> Path:
    folder = Path(tempfile.mkdtemp(dir=bench.folder))
    (folder / "governd.toml").write_text(setup.config(), encoding="utf-8")
    (folder / "state").mkdir(mode=0o700)
    return folder


def _stop(parent: subprocess.Popen[bytes]) -> None:
    parent.terminate()
    try:
        parent.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        for child in measure.children(parent.pid):
            os.kill(child, signal.SIGKILL)
        parent.kill()
        parent.wait()
