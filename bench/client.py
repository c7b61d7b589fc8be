"""The client, ``loadgen/``, run as a process of its own.

It is written in Go because a client in Python would be slower than the server.
"""

import json
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import builds
from bench.load import Load, Report

_SOURCES = Path(__file__).resolve().parent / "loadgen"
_READY_SECONDS = 90


@dataclass(frozen=True)
class Running:
    """A load that is on.

    Attributes:
        process: Of the client.
        load: What it does.
    """

    process: subprocess.Popen[bytes]
    load: Load

    def wait_until_measured(self) -> None:
        """Returns a little after the measured time began."""
        time.sleep(self.load.warm + 0.1)

    def stop(self) -> Report:
        """Ends the measured time of a load that is ``until_told``, and reports."""
        return self.report()

    def report(self) -> Report:
        """What it came to, once it has ended.

        Raises:
            subprocess.CalledProcessError: It failed; it has said why.
        """
        said, _ = self.process.communicate()
        if self.process.returncode:
            raise subprocess.CalledProcessError(self.process.returncode, self.process.args)
        return Report.parse(json.loads(said))


class LoadGenerator:
    """The built program."""

    def __init__(self, program: Path) -> None:
        """Takes its path."""
        self._program = program

    @classmethod
    def build(cls) -> "LoadGenerator":
        """Builds it, unless one of the same sources is in the cache."""
        return cls(
            builds.cached(
                "loadgen",
                builds.digest(_SOURCES),
                lambda target: builds.go("build", "-o", str(target), ".", folder=_SOURCES),
            )
        )

    def wait(self, sockets: Sequence[Path], *, timeout: float = _READY_SECONDS) -> None:
        """Returns when the health service on every socket says SERVING."""
        command = [str(self._program), "wait", f"-timeout={timeout}s", *map(str, sockets)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def run(self, load: Load, *, pid: int = 0) -> Report:
        """Puts load on sockets.

        Args:
            load: What to ask, and where.
            pid: The server, for its CPU time.
        """
        return self.start(load, pid=pid).report()

    def start(self, load: Load, *, pid: int = 0) -> Running:
        """The same, without waiting."""
        process = subprocess.Popen(
            [self._program, "load"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert process.stdin is not None  # noqa: S101 — for the types: it is a pipe
        process.stdin.write(json.dumps(load.plan(pid)).encode() + b"\n")
        process.stdin.flush()
        return Running(process, load)
