"""One governd at a time per state directory."""

import fcntl
import os
from pathlib import Path

from governd.errors import GoverndError

_NAME = "governd.lock"


class StateLockedError(GoverndError):
    """Another governd holds the state directory."""

    reason = "STATE_LOCKED"


class StateLock:
    """An advisory lock that ends with the process that holds it, however it ends."""

    def __init__(self, directory: Path) -> None:
        """Takes the state directory; it is made where it does not exist."""
        self._directory = directory
        self._fd = -1

    def acquire(self) -> None:
        """Locks the directory and notes the process id in the lock file.

        Raises:
            StateLockedError: Another governd holds it, or it cannot be written.
        """
        path = self._directory / _NAME
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            message = f"state_directory {self._directory}: {error.strerror}"
            raise StateLockedError(message) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(fd)
            message = f"state_directory {self._directory}: governd with pid {holder} holds it"
            raise StateLockedError(message) from error
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._fd = fd

    def release(self) -> None:
        """Gives the lock up; the file stays, so that the lock cannot be split in two."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
