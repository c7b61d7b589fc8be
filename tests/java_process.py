"""A program on Java that a test starts, in a process group of its own, and what it logs."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

START_SECONDS = 180.0
"""On two cores that build something meanwhile."""
_STOP_SECONDS = 60.0
_POLL_SECONDS = 0.25
"""What is asked more often takes longer to get there."""


class JavaProcess:
    """One program.

    Attributes:
        log_file: What it wrote.
    """

    def __init__(self, command: Sequence[str], directory: Path, environ: Mapping[str, str]) -> None:
        """Starts it in a directory; ``environ`` is added to our environment."""
        self.log_file = directory / "log"
        with self.log_file.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                cwd=directory,
                env={**os.environ, **environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def until(self, ready: Callable[[], bool]) -> None:
        """Waits until ``ready()`` is true."""
        end = time.monotonic() + START_SECONDS
        while not ready():
            code = self._process.poll()
            assert code is None, f"ended with {code}:\n{self.logs()}"
            assert time.monotonic() < end, f"is not ready:\n{self.logs()}"
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """Asks it to end, and waits until it has."""
        os.killpg(self._process.pid, signal.SIGTERM)
        self._process.wait(_STOP_SECONDS)

    def kill(self) -> None:
        """Ends whatever of it still runs."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(_STOP_SECONDS)

    def logs(self) -> str:
        """What it wrote so far."""
        return self.log_file.read_text("utf-8", "replace")


def free_port() -> int:
    """A port of this machine that nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
