"""The decision log as an append-only file of JSON lines.

Records are written before they are answered, those of a batch with one call, and synced
to disk within a bounded time. The write itself is not handed to a thread: it goes to the
page cache and costs less than the hand-over. A write that fails half-way is taken back,
so the file never holds a torn line. A file that was renamed away, by logrotate for
example, is opened anew.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from governd.application.operate import Component
from governd.errors import DecisionLogError

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


class DecisionFile:
    """The decision log port over a file.

    Attributes:
        failure: Why the last write failed; empty while writes succeed.
    """

    def __init__(
        self,
        path: Path,
        *,
        sync_interval_seconds: float,
        on_written: Callable[[int], None] = lambda _: None,
        on_failure: Callable[[OSError], None] = lambda _: None,
    ) -> None:
        """Opens nothing yet.

        Args:
            path: The file; made with mode 0600 where it does not exist.
            sync_interval_seconds: The longest that a record waits for the disk.
            on_written: Told of how many records each write put on file.
            on_failure: Told of every failed write or sync.
        """
        self._path = path
        self._interval = sync_interval_seconds
        self._on_written = on_written
        self._on_failure = on_failure
        self._fd = -1
        self._inode = -1
        self._dirty = False
        self._syncing: asyncio.Task[None] | None = None
        self.failure = ""

    def state(self) -> Component:
        """Whether decisions can be put on record, for status and readiness."""
        detail = f"{self._path}: {self.failure}" if self.failure else str(self._path)
        return Component("decision_log", ready=not self.failure, detail=detail)

    def open(self) -> None:
        """Opens the file and ends a line that a crash may have torn.

        Raises:
            DecisionLogError: It cannot be opened.
        """
        try:
            self._fd = os.open(self._path, _FLAGS, 0o600)
            stat = os.fstat(self._fd)
            self._inode = stat.st_ino
            if stat.st_size and not _ends_with_newline(self._path):
                os.write(self._fd, b"\n")
        except OSError as error:
            self._shut()
            message = f"decision log {self._path}: {error.strerror}"
            raise DecisionLogError(message) from error

    def start(self) -> None:
        """Begins to sync in the background; needs a running loop."""
        self._syncing = asyncio.get_running_loop().create_task(self._sync_for_ever())

    async def append(self, records: Sequence[bytes]) -> None:
        """Puts records on file before it returns.

        Raises:
            DecisionLogError: They are not on file.
        """
        try:
            self._write(b"".join(record + b"\n" for record in records))
        except OSError as error:
            self.failure = error.strerror or "unknown error"
            self._on_failure(error)
            message = f"decision log cannot be written: {self.failure}"
            raise DecisionLogError(message) from error
        self.failure = ""
        self._on_written(len(records))

    async def close(self) -> None:
        """Syncs what was written and closes the file."""
        if self._syncing:
            self._syncing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._syncing
        self._shut()

    def _write(self, data: bytes) -> None:
        if self._fd < 0:
            self._reopen()
        left = memoryview(data)
        try:
            while left:
                left = left[os.write(self._fd, left) :]
        except OSError:
            self._take_back(len(data) - len(left))
            raise
        self._dirty = True

    def _take_back(self, count: int) -> None:
        """Cuts the last bytes off; nobody else writes to this file."""
        try:
            os.ftruncate(self._fd, os.fstat(self._fd).st_size - count)
        except OSError:
            self._shut()  # whoever opens it anew ends the torn line

    def _shut(self) -> None:
        if self._fd < 0:
            return
        with contextlib.suppress(OSError):
            os.fdatasync(self._fd)
        os.close(self._fd)
        self._fd = -1

    def _reopen(self) -> None:
        self._shut()
        try:
            self.open()
        except DecisionLogError as error:
            cause = error.__cause__
            raise cause if isinstance(cause, OSError) else OSError(str(error)) from error

    async def _sync_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            try:
                if self._dirty and self._fd >= 0:
                    self._dirty = False
                    await asyncio.to_thread(os.fdatasync, self._fd)
                if self._was_moved():
                    self._reopen()
            except OSError as error:
                self._on_failure(error)

    def _was_moved(self) -> bool:
        try:
            return self._path.lstat().st_ino != self._inode
        except FileNotFoundError:
            return True


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
