"""Core dumps are off in a process and in what it forks, and an error is not swallowed."""

import resource
import subprocess
import sys

import pytest

from governd import hardening

pytestmark = pytest.mark.req("r-2", part=True)

PROGRAM = """
import ctypes, os, resource
from governd import hardening
def state():
    return ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), resource.getrlimit(resource.RLIMIT_CORE)
before = state()[0]
hardening.without_core_dumps()
child = os.fork()
if child == 0:
    os._exit(state() != (0, (0, 0)))
print(before, *state(), os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_what_is_forked_afterwards_is_not_dumpable_either() -> None:
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, check=True)
    assert run.stdout == b"1 0 (0, 0) 0\n"


def test_a_kernel_that_does_not_do_so_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardening, "_PR_SET_DUMPABLE", -1)
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)
    with pytest.raises(OSError, match="PR_SET_DUMPABLE"):
        hardening.without_core_dumps()
