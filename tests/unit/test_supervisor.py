"""The supervisor's rules that need no process."""

import subprocess
import sys

import pytest

from governd import supervisor
from governd.observability.log_keys import Key
from governd.supervisor import Backoff


def test_the_first_restart_is_at_once_and_later_ones_wait_ever_longer() -> None:
    backoff = Backoff()
    delays = [backoff.delay(lived=0.0) for _ in range(9)]
    assert delays == [0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


def test_a_long_life_makes_the_next_restart_immediate_again() -> None:
    backoff = Backoff()
    for _ in range(5):
        backoff.delay(lived=1.0)
    assert backoff.delay(lived=10.0) == 0.0
    assert backoff.delay(lived=9.9) == 0.1


def test_thousands_of_restarts_overflow_nothing() -> None:
    backoff = Backoff()
    assert max(backoff.delay(lived=0.0) for _ in range(5000)) == 5.0


@pytest.mark.parametrize(("code", "told"), [(1, 1), (-9, "SIGKILL"), (-11, "SIGSEGV")])
def test_a_restart_is_told_with_the_keys_of_all_log_lines(code: int, told: object) -> None:
    line = supervisor._restart_line(42, code, 0.1)
    assert (line["pid"], line["exit"], line["delay_seconds"]) == (42, told, 0.1)
    assert set(line) <= set(Key)


@pytest.mark.parametrize(("code", "ours"), [(0, 0), (3, 3), (-15, 0), (-2, 0), (-9, 137)])
def test_the_childs_end_becomes_our_exit_code(code: int, ours: int) -> None:
    assert supervisor._exit_code(code) == ours


def test_the_parent_imports_nothing_heavy() -> None:
    program = "import sys, governd.supervisor; print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(run.stdout.split())
    assert loaded & {"governd", "governd.supervisor"} == {"governd", "governd.supervisor"}
    assert not {name for name in loaded if name.startswith("governd.")} - {"governd.supervisor"}
    assert not loaded & {"asyncio", "grpc", "uvloop", "structlog", "pydantic", "google"}
