"""A governd to measure: started as an operator would, on sockets of its own."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import measure
from bench.scenario import Bench

GOVERND = Path(sys.executable).with_name("governd")
POLICY = Path(__file__).resolve().parent.parent / "demo" / "policy"
_NAMED = ("reader", "writer")
_STOP_SECONDS = 15

_HEAD = """\
state_directory = "state"
trust_domain = "example.org"
[admin]
socket = "admin.sock"
[policy]
directory = "{policy}"
[metrics]
address = ""
[limits]  # out of the way: the transport's and the evaluation's own limits are of interest
calls_per_second = 1000000.0
burst = 1000000
calls_in_flight = 4096
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


@contextlib.contextmanager
def running(bench: Bench, *, listeners: int = 3) -> Iterator[Daemon]:
    """Starts a governd, without waiting until it answers, and stops it in the end.

    The first two listeners are the demo's reader and writer.
    """
    folder = Path(tempfile.mkdtemp(dir=bench.folder))
    names = [*_NAMED, *(f"agent-{number}" for number in range(listeners))][:listeners]
    config = folder / "governd.toml"
    sections = [_HEAD.format(policy=POLICY), *(_LISTENER.format(name=name) for name in names)]
    config.write_text("".join(sections), encoding="utf-8")
    (folder / "state").mkdir(mode=0o700)
    with (folder / "stderr").open("wb") as stderr:
        started = time.monotonic()
        parent = subprocess.Popen([GOVERND, "run", "--config", config], stderr=stderr)
    try:
        yield Daemon(parent, folder, tuple(folder / f"{name}.sock" for name in names), started)
    except BaseException:
        sys.stderr.buffer.write((folder / "stderr").read_bytes()[-2000:])
        raise
    finally:
        _stop(parent)


@contextlib.contextmanager
def serving(bench: Bench, *, listeners: int = 3) -> Iterator[Daemon]:
    """The same, once all its sockets answer that they serve."""
    with running(bench, listeners=listeners) as daemon:
        bench.load.wait(daemon.sockets)
        yield daemon


def _stop(parent: subprocess.Popen[bytes]) -> None:
    parent.terminate()
    try:
        parent.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        for child in measure.children(parent.pid):
            os.kill(child, signal.SIGKILL)
        parent.kill()
        parent.wait()
