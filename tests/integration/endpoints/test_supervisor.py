"""The supervisor with real processes: what kills the child, what kills the parent."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

PROGRAM = """
import asyncio, os, signal, sys
from governd import supervisor

def child_main(lifeline):
    if sys.argv[1] == "serve":
        return asyncio.run(serve(lifeline))
    print("up", os.getpid(), flush=True)
    if sys.argv[1] == "environment":
        print(os.environ["GRPC_VERBOSITY"], flush=True)
        return 0
    if sys.argv[1] == "raise":
        raise SystemExit(78)
    return int(sys.argv[1])

async def serve(lifeline):
    loop, why = asyncio.get_running_loop(), asyncio.Queue()
    loop.add_signal_handler(signal.SIGTERM, why.put_nowait, "SIGTERM")
    loop.add_signal_handler(signal.SIGINT, why.put_nowait, "SIGINT")
    supervisor.on_parent_exit(loop, lifeline, lambda: why.put_nowait("parent gone"))
    print("up", os.getpid(), flush=True)
    print("drained", await why.get(), flush=True)
    return 3

sys.exit(supervisor.run(child_main))
"""


class Daemon:
    """A supervised program, its output read line by line."""

    def __init__(self, mode: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, mode],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def child(self) -> int:
        """The pid of the child that comes up next."""
        word, pid = self.line().split()
        assert word == "up"
        return int(pid)

    def told(self) -> dict[str, object]:
        """The next line of the supervisor's log."""
        assert self.process.stderr is not None
        line: dict[str, object] = json.loads(self.process.stderr.readline())
        return line

    def end(self, seconds: float = 5.0) -> tuple[int, str]:
        """Exit code and standard error."""
        _, errors = self.process.communicate(timeout=seconds)
        return self.process.returncode, errors

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate(timeout=5)


@pytest.fixture
def serving() -> Iterator[Daemon]:
    daemon = Daemon("serve")
    yield daemon
    daemon.stop()


@pytest.mark.req("avail-2", part=True)
def test_a_killed_child_is_restarted_at_once_and_the_restart_is_told(serving: Daemon) -> None:
    first = serving.child()
    os.kill(first, signal.SIGKILL)
    assert serving.child() != first
    serving.process.terminate()
    code, errors = serving.end()
    assert code == 3
    (line,) = map(json.loads, errors.splitlines())
    assert (line["event"], line["pid"], line["exit"], line["delay_seconds"]) == (
        "daemon ended, restarting it",
        first,
        "SIGKILL",
        0.0,
    )


def test_a_child_killed_again_and_again_comes_back(serving: Daemon) -> None:
    for _ in range(4):
        os.kill(serving.child(), signal.SIGKILL)
    serving.child()
    serving.process.terminate()
    code, errors = serving.end()
    delays = [json.loads(line)["delay_seconds"] for line in errors.splitlines()]
    assert (code, delays) == (3, [0.0, 0.1, 0.2, 0.4])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_stop_is_forwarded_and_the_childs_code_is_ours(
    serving: Daemon, number: signal.Signals
) -> None:
    serving.child()
    serving.process.send_signal(number)
    assert serving.line() == f"drained {number.name}"
    assert serving.end() == (3, "")


def test_a_stop_is_heard_where_whoever_started_us_had_blocked_it() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT])
    try:
        daemon = Daemon("serve")  # it inherits the mask
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    daemon.child()
    daemon.process.terminate()
    try:
        assert daemon.end() == (3, "")
    finally:
        daemon.stop()


def test_a_child_whose_parent_is_killed_drains(serving: Daemon) -> None:
    serving.child()
    serving.process.kill()
    assert serving.line() == "drained parent gone"
    serving.process.wait(timeout=5)
    # The child held the last end of the pipe: end of file means that it has ended.
    assert serving.line() == ""


@pytest.mark.parametrize(("mode", "code"), [("0", 0), ("2", 2), ("78", 78), ("raise", 78)])
def test_some_exit_codes_are_final(mode: str, code: int) -> None:
    daemon = Daemon(mode)
    daemon.child()
    assert daemon.end() == (code, "")
    daemon.stop()


def test_grpcs_own_lines_are_kept_out_of_the_childs_log() -> None:
    daemon = Daemon("environment")
    daemon.child()
    assert daemon.line() == "NONE"
    assert daemon.end()[0] == 0


def test_an_unexpected_exit_code_is_restarted_and_a_stop_in_the_pause_ends_it() -> None:
    daemon = Daemon("1")
    for _ in range(4):
        daemon.child()
    told = [daemon.told() for _ in range(4)]
    assert [(line["exit"], line["delay_seconds"]) for line in told][2:] == [(1, 0.2), (1, 0.4)]
    daemon.process.terminate()
    assert daemon.end(seconds=0.3) == (0, "")
    daemon.stop()
