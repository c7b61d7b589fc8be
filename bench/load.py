"""The client, ``loadgen/``: built when it changed, and run as a process of its own.

It is written in Go because a client in Python would be slower than the server.
"""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_SOURCES = Path(__file__).resolve().parent / "loadgen"
HEALTH = "/grpc.health.v1.Health/Check"
"""The no-op: through the same server, interceptor and chain, and it does next to nothing."""
EVALUATE = "/governd.v1.PolicyService/Evaluate"


@dataclass(frozen=True)
class Load:
    """What to ask, and how fast.

    Attributes:
        method: Full name.
        bodies: A file of requests, as ``frame`` makes it; ``None`` for an empty request.
        in_flight: Closed loop: so many callers, each asking again once it is answered.
        rate: Open loop: so many calls a second whatever the answers do; 0 for closed.
        warm: Seconds before the measured time.
        seconds: Measured time.
        until_refused: Whether a caller that is refused ends; closed loop only.
    """

    method: str = HEALTH
    bodies: Path | None = None
    in_flight: int = 1
    rate: float = 0
    warm: float = 0.5
    seconds: float = 3.0
    until_refused: bool = False

    def options(self) -> list[str]:
        """As the program takes it."""
        return [
            f"-method={self.method}",
            f"-bodies={self.bodies or ''}",
            f"-in-flight={self.in_flight}",
            f"-rate={self.rate}",
            f"-warm={self.warm}s",
            f"-measured={self.seconds}s",
            f"-until-refused={str(self.until_refused).lower()}",
        ]


@dataclass(frozen=True)
class Report:
    """What the client saw; ``report.go`` says more.

    Attributes:
        calls: Answered in the measured time.
        per_second: The same, as a rate.
        p50_ms: Latencies, exact from all samples.
        p90_ms: Likewise.
        p99_ms: Likewise.
        p999_ms: Likewise.
        max_ms: Likewise.
        server_cpu_us: CPU time of the server for each call, all its threads.
        answered: Outcomes of all calls, in the measured time or not: status OK.
        refused: Never begun: nothing listened, or the server said UNAVAILABLE.
        failed: Answered with any other status.
        lost: Sent, and never answered.
        first_error: The first that was not OK.
        sample_reply: One answer, in hex.
    """

    calls: int
    per_second: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    server_cpu_us: float
    answered: int
    refused: int
    failed: int
    lost: int
    first_error: str
    sample_reply: str


class LoadGenerator:
    """The built program."""

    def __init__(self, program: Path) -> None:
        """Takes its path."""
        self._program = program

    @classmethod
    def build(cls) -> "LoadGenerator":
        """Builds it, unless one of the same sources is in the cache."""
        program = _cache() / _digest(_SOURCES) / "loadgen"
        if not program.exists():
            program.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=program.parent) as scratch:
                built = Path(scratch) / program.name
                subprocess.run([_go(), "build", "-o", built, "."], cwd=_SOURCES, check=True)
                built.replace(program)  # whole or not at all
        return cls(program)

    def wait(self, sockets: Sequence[Path], *, timeout: float = 30) -> None:
        """Returns when the health service on every socket says SERVING."""
        self._run(["wait", f"-timeout={timeout}s", *map(str, sockets)])

    def run(self, sockets: Sequence[Path], load: Load, *, pid: int = 0) -> Report:
        """Puts load on sockets, by turns.

        Args:
            sockets: Each one a caller.
            load: What to ask.
            pid: The server, for its CPU time.
        """
        return self.report(self.start(sockets, load, pid=pid))

    def start(
        self, sockets: Sequence[Path], load: Load, *, pid: int = 0
    ) -> subprocess.Popen[bytes]:
        """The same, without waiting; ``report`` collects it."""
        options = [f"-pid={pid}", *load.options(), *(f"-socket={path}" for path in sockets)]
        return subprocess.Popen([self._program, "load", *options], stdout=subprocess.PIPE)

    def report(self, process: subprocess.Popen[bytes]) -> Report:
        """What a started load came to.

        Raises:
            subprocess.CalledProcessError: It failed; it has said why.
        """
        said, _ = process.communicate()
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, process.args)
        return Report(**json.loads(said))

    def _run(self, arguments: Sequence[str]) -> None:
        subprocess.run([self._program, *arguments], check=True, stdout=subprocess.DEVNULL)


def frame(bodies: Sequence[bytes], file: Path) -> Path:
    """Writes requests for the client: each after its length."""
    file.write_bytes(b"".join(len(body).to_bytes(4, "big") + body for body in bodies))
    return file


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "governd" / "bench"


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted([*folder.glob("*.go"), *folder.glob("go.*")]):
        digest.update(f"{file.name}\0{file.stat().st_size}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def _go() -> str:
    found = shutil.which("go")
    if found is None:
        message = "go: not found; the bench's client is written in Go"
        raise FileNotFoundError(message)
    return found
