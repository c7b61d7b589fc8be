"""Commands, processes of this machine, and waiting for what takes a while."""

import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

PATIENCE_SECONDS = 60.0


def run(*command: str, stdin: str = "") -> str:
    """Runs a command; what it printed.

    Raises:
        subprocess.CalledProcessError: It failed; a note has what it said.
    """
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    try:
        done.check_returncode()
    except subprocess.CalledProcessError as error:
        error.add_note(f"{done.stdout}{done.stderr}")
        raise
    return done.stdout


def succeeds(*command: str) -> bool:
    """Whether a command ends with 0."""
    return not subprocess.run(command, capture_output=True, check=False).returncode


def wait_until(
    condition: Callable[[], object], what: str, seconds: float = PATIENCE_SECONDS
) -> float:
    """Returns as soon as a condition holds.

    Returns:
        The seconds that it took.

    Raises:
        TimeoutError: It did not, for so long.
    """
    began = time.monotonic()
    while not condition():
        if time.monotonic() > began + seconds:
            message = f"waited {seconds:.0f} s in vain for {what}"
            raise TimeoutError(message)
        time.sleep(0.1)
    return time.monotonic() - began


def children(pid: int) -> Sequence[int]:
    """The processes that a process has started; none if it is gone."""
    try:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return ()
    return [int(child) for child in found.split()]


def name_of(pid: int) -> str:
    """The name of a process; none if it is gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def is_alive(pid: int) -> bool:
    """Whether a process is there, and not only waiting to be collected."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
