"""Keys and tokens are in memory only: a governd that dies leaves no image of it."""

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.daemon_process import DaemonProcess, StartGovernd

pytestmark = pytest.mark.req("r-2", part=True)

_PR_SET_CHILD_SUBREAPER = 36
_ENOUGH_BYTES = 65_536
FATAL = (signal.SIGABRT, signal.SIGSEGV)


@pytest.fixture(autouse=True)
def dumps_are_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Core dumps are written for whatever is started here, and orphans become ours."""
    before = resource.getrlimit(resource.RLIMIT_CORE)
    prctl = ctypes.CDLL(None).prctl
    monkeypatch.chdir(tmp_path)
    resource.setrlimit(resource.RLIMIT_CORE, (_ENOUGH_BYTES, before[1]))
    prctl(_PR_SET_CHILD_SUBREAPER, 1)
    try:
        yield
    finally:
        prctl(_PR_SET_CHILD_SUBREAPER, 0)
        resource.setrlimit(resource.RLIMIT_CORE, before)


def ended(pid: int) -> int:
    """The wait status of a child of this process."""
    return os.waitpid(pid, 0)[1]


def killed(daemon: DaemonProcess, fatal: signal.Signals) -> tuple[int, int]:
    """The wait statuses of parent and child, each killed by a signal that dumps."""
    parent, child = daemon.pid, daemon.daemon_pid
    # Stopped first: a child whose parent is gone would drain and end by itself.
    os.kill(child, signal.SIGSTOP)
    os.kill(parent, fatal)
    first = ended(parent)
    os.kill(child, fatal)
    os.kill(child, signal.SIGCONT)
    return first, ended(child)


def test_a_process_like_any_other_is_dumped_here() -> None:
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", "import os; os.abort()"], {})
    assert os.WCOREDUMP(ended(pid)), "without that, the test below shows nothing"


@pytest.mark.parametrize("fatal", FATAL, ids=str)
def test_neither_governd_nor_its_parent_is_dumped(
    governd: StartGovernd, tmp_path: Path, fatal: signal.Signals
) -> None:
    daemon = governd()
    assert daemon.process is not None
    for status in killed(daemon, fatal):
        assert os.WTERMSIG(status) == fatal
        assert not os.WCOREDUMP(status)
    daemon.process.returncode = -fatal  # it was waited for here
    assert not [*tmp_path.rglob("core*")]


def test_the_limit_cannot_be_raised_again(governd: StartGovernd) -> None:
    daemon = governd()
    for pid in (daemon.pid, daemon.daemon_pid):
        assert resource.prlimit(pid, resource.RLIMIT_CORE) == (0, 0)
