"""The small parent of ``governd run``: starts the daemon, and starts it again.

The parent forks before anything heavy is imported, so it stays small and has nothing to
go wrong: it waits for signals and children, and that is all it does.

Rules:
    * A child that dies by a signal, or ends with a code that nobody asked for, is
      restarted: the first time at once, then after 0.1 s, doubling to 5 s, and at once
      again after it has lived for 10 s.
    * 0, 2 (usage) and 78 (``EX_CONFIG`` of sysexits(3): configuration, lock or socket
      refused) are final: another start would end the same way.
    * SIGTERM and SIGINT go to the child, whose exit code becomes ours.
    * The child holds the read end of a pipe whose write end only the parent has. When the
      parent is gone, however it went, the child reads the end of the file and drains.

Standard library only, and nothing of governd: see the first paragraph.
"""

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

EX_USAGE = 2
EX_CONFIG = 78
_FINAL = frozenset({0, EX_USAGE, EX_CONFIG})
_FORWARDED = (signal.SIGTERM, signal.SIGINT)
_WAITED = (*_FORWARDED, signal.SIGCHLD)
_SIGNALLED = 128

ChildMain = Callable[[int], int]
"""The daemon: takes the descriptor of the pipe from its parent, returns its exit code."""

Log = Callable[[dict[str, object]], None]


class Backoff:
    """How long to wait before each restart. Pure.

    Attributes:
        restarts: Restarts since a child last lived long enough.
    """

    FIRST_SECONDS = 0.1
    MOST_SECONDS = 5.0
    RESET_SECONDS = 10.0

    def __init__(self) -> None:
        """Begins as after a long life."""
        self.restarts = 0

    def delay(self, lived: float) -> float:
        """Seconds to wait, now that a child has died after ``lived`` seconds."""
        if lived >= self.RESET_SECONDS:
            self.restarts = 0
        self.restarts += 1
        if self.restarts == 1:
            return 0.0
        # The exponent is capped: a float has no room for 2**2000.
        return min(self.MOST_SECONDS, self.FIRST_SECONDS * 2.0 ** min(self.restarts - 2, 10))


class Supervisor:
    """Keeps one child alive."""

    def __init__(self, child_main: ChildMain, log: Log) -> None:
        """Takes the daemon's main function, and where a restart is told."""
        self._child_main = child_main
        self._log = log
        self._backoff = Backoff()
        self._mask: set[signal.Signals | int] = set()
        self._stopping = False
        self._child = 0
        self._lifeline = -1

    def run(self) -> int:
        """Runs until the child ends for good.

        Returns:
            Its exit code; 0 where it was asked to stop before it listened to signals, 128
            and the signal's number where another signal ended it then.
        """
        # Blocked signals are taken one by one with sigtimedwait: no handler, no race.
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, _WAITED)
        try:
            return self._supervise()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    def _supervise(self) -> int:
        while True:
            started = time.monotonic()
            self._start()
            code = os.waitstatus_to_exitcode(self._wait())
            os.close(self._lifeline)
            if self._stopping or code in _FINAL:
                return _exit_code(code)
            delay = self._backoff.delay(time.monotonic() - started)
            self._log(_restart_line(self._child, code, delay))
            if self._pause(delay):
                return 0

    def _start(self) -> None:
        read, write = os.pipe()
        self._child = os.fork()
        if self._child == 0:
            os.close(write)
            # Whatever we inherited: a daemon that never hears SIGTERM could not drain.
            signal.pthread_sigmask(signal.SIG_SETMASK, self._mask - set(_FORWARDED))
            _be_child(self._child_main, read)
        os.close(read)
        self._lifeline = write

    def _wait(self) -> int:
        """Forwards signals until the child has ended; its wait status."""
        while True:
            status = self._reap()
            if status is not None:
                return status
            received = signal.sigwaitinfo(_WAITED).si_signo
            if received in _FORWARDED:
                self._stopping = True
                os.kill(self._child, received)

    def _reap(self) -> int | None:
        """Collects dead children, orphans too where we are process 1."""
        status: int | None = None
        while True:
            try:
                pid, found = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return status
            if pid == 0:
                return status
            if pid == self._child:
                status = found

    def _pause(self, seconds: float) -> bool:
        """Waits before a restart; whether it was asked to stop meanwhile."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 or seconds == 0:
            received = signal.sigtimedwait(_WAITED, max(left, 0))
            if received is None:
                return False
            if received.si_signo in _FORWARDED:
                return True
        return False


def run(child_main: ChildMain) -> int:
    """Supervises ``child_main``; returns the exit code for the process.

    Call it before importing gRPC or starting a thread: neither survives a fork.
    """
    return Supervisor(child_main, _log_to_stderr).run()


def on_parent_exit(
    loop: "asyncio.AbstractEventLoop", lifeline: int, then: Callable[[], object]
) -> None:
    """Calls ``then`` once on ``loop`` when the parent is gone."""

    def gone() -> None:
        loop.remove_reader(lifeline)
        then()

    loop.add_reader(lifeline, gone)


def _be_child(child_main: ChildMain, lifeline: int) -> None:
    """Runs the daemon and ends the process: the parent's stack must not unwind here."""
    # gRPC's core reads this when it is imported. Its own lines are not JSON, and any
    # caller can cause them.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    code = 1
    try:
        code = child_main(lifeline)
    except KeyboardInterrupt:
        code = 0  # asked to stop before it listened to signals, as in _exit_code
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:  # noqa: BLE001  it ends here either way, and must be seen
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _exit_code(code: int) -> int:
    """The exit code for the parent, now that the child has ended for good."""
    if -code in _FORWARDED:
        # The daemon was asked to stop before it listened to signals: nothing had begun.
        return 0
    return code if code >= 0 else _SIGNALLED - code


def _restart_line(pid: int, code: int, delay: float) -> dict[str, object]:
    """The log line of a restart, with the keys of ``observability/log_keys.py``."""
    return {
        "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "level": "error",
        "event": "daemon ended, restarting it",
        "logger": "governd.supervisor",
        "pid": pid,
        "exit": code if code >= 0 else signal.Signals(-code).name,
        "delay_seconds": delay,
    }


def _log_to_stderr(line: dict[str, object]) -> None:
    sys.stderr.write(json.dumps(line) + "\n")
    sys.stderr.flush()
