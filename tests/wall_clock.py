"""A process whose wall clock a test sets, from outside.

    clock = WallClock(tmp_path / "clock")
    daemon.environ.update(clock.environ)
    clock.set(NOON.timestamp())

Preloaded code (``preloaded_clock``) answers for the C library what time it is; the process is
the one that users run, without anything for tests in it. The clock stands still where it is set.
"""

import hashlib
import mmap
import shutil
import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from bench import builds

_SOURCE = Path(__file__).with_name("preloaded_clock") / "clock.c"
_SECOND = 1_000_000_000


class WallClock:
    """The wall clock of processes that are started with ``environ``."""

    def __init__(self, file: Path) -> None:
        """Leaves it as it is, for now.

        Args:
            file: Says what time it is; it is made.
        """
        file.write_bytes(bytes(8))
        self._file = file
        with file.open("r+b") as opened:
            self._value = mmap.mmap(opened.fileno(), 8)

    @property
    def environ(self) -> Mapping[str, str]:
        """What a process needs in its environment."""
        return {"LD_PRELOAD": str(_library()), "TEST_WALL_CLOCK": str(self._file)}

    def set(self, seconds: float) -> None:
        """Stops the clock at a moment, in seconds since 1970."""
        self._value[:] = struct.pack("=q", round(seconds * _SECOND))


def _library() -> Path:
    """The code that is preloaded, built the first time on a machine."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.fail("building tests/preloaded_clock takes a C compiler; install one")

    def build(target: Path) -> None:
        flags = ("-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC")
        subprocess.run([compiler, *flags, "-o", str(target), str(_SOURCE)], check=True)

    version = hashlib.sha256(_SOURCE.read_bytes()).hexdigest()[:16]
    return builds.cached("wall_clock.so", version, build)
