"""The decision log as an append-only file of JSON lines.

Records are written before they are answered, those of a batch with one call, and synced
to disk within a bounded time. The write itself is not handed to a thread: it goes to the
page cache and costs less than the hand-over. A write that fails half-way is taken back,
so the file never holds a torn line. A file that was renamed away, by logrotate for
example, is opened anew.

Promises:
    * A write, sync or reopening that failed shows in ``failure`` until it works again.
    * While a sync failure stands nothing is accepted. What was accepted since the sync
      before it may be lost: Linux reports a failed write-back once and forgets the data.
    * The end of a failure is found without traffic, by reserving space in the file.
    * What is appended durably is on disk before that returns; those that wait at the same
      time wait for one sync.
    * Only a regular file, for its owner alone, is written to.
"""

import asyncio
import contextlib
import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from governd.adapters.log_files import is_torn, may_shrink, open_file, reason, reserve
from governd.application.operate import Component
from governd.errors import DecisionLogError


class DecisionFile:
    """The decision log port over a file.

    Attributes:
        failure: Why the log does not work; empty while it does.
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
            on_failure: Told of each write that failed, and once of what fails in background.
        """
        self._path = path
        self._interval = sync_interval_seconds
        self._on_written = on_written
        self._on_failure = on_failure
        self._fd = -1
        self._identity: tuple[int, int] | None = None
        self._writes = 0
        self._synced = 0
        self._failures = 0
        self._sync_failed = False
        self._turn = asyncio.Lock()
        self._syncing: asyncio.Task[None] | None = None
        self.failure = ""

    def state(self) -> Component:
        """Whether decisions can be put on record, for status and readiness."""
        detail = f"{self._path}: {self.failure}" if self.failure else str(self._path)
        return Component("decision_log", ready=not self.failure, detail=detail)

    def open(self) -> None:
        """Opens the file and ends a line that a crash may have torn.

        Raises:
            DecisionLogError: It cannot be opened, or is no regular file.
        """
        try:
            self._open()
        except OSError as error:
            message = f"decision log {self._path}: {reason(error)}"
            raise DecisionLogError(message) from error

    def start(self) -> None:
        """Begins to sync in the background; needs a running loop."""
        self._syncing = asyncio.get_running_loop().create_task(self._sync_for_ever())

    async def append(self, records: Sequence[bytes]) -> None:
        """Puts records on file before it returns; raises as the port says."""
        try:
            self._write(b"".join(record + b"\n" for record in records))
        except OSError as error:
            self.failure = reason(error)
            self._on_failure(error)
            message = f"decision log cannot be written: {self.failure}"
            raise DecisionLogError(message) from error
        self.failure = ""
        self._on_written(len(records))

    async def append_durably(self, records: Sequence[bytes]) -> None:
        """Brings records to disk before it returns, and all that was written before.

        Raises:
            DecisionLogError: They are not on file, or may not be on disk.
        """
        failures = self._failures
        await self.append(records)
        wanted = self._writes
        await self.sync_once(wanted)
        if self._synced < wanted or self._failures != failures:
            message = f"decision log cannot be synced: {self.failure or 'it failed meanwhile'}"
            raise DecisionLogError(message)

    async def sync_once(self, wanted: int | None = None) -> None:
        """Brings to disk what was written; after a failure, tries whether it is over.

        Goes on where its caller hangs up: nobody else is told of a failure. Does nothing where
        a write is ``wanted`` that is on disk when the turn comes.
        """
        await asyncio.shield(self._sync_in_turn(wanted))

    async def _sync_in_turn(self, wanted: int | None) -> None:
        async with self._turn:
            if wanted is None or self._synced < wanted:
                await self._sync_once()

    async def _sync_once(self) -> None:
        try:
            try:
                if self._writes != self._synced:
                    await self._sync()
            finally:  # a file that can no longer be synced can be replaced, too
                if self._was_moved():
                    self._shut()
                    self._open()
            if self.failure:
                self._reserve()
                # A sync that failed leaves nothing to sync; the reservation just did.
                await self._sync()
        except OSError as error:
            self._fail(error)
        else:
            self._sync_failed, self.failure = False, ""

    async def close(self) -> None:
        """Syncs what was written and closes the file."""
        if self._syncing:
            self._syncing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._syncing
        async with self._turn:
            self._shut()

    def _fail(self, error: OSError) -> None:
        """Keeps a failure of the background; one that merely goes on is not told again."""
        before, self.failure = self.failure, reason(error)
        if self.failure != before:
            self._on_failure(error)

    def _open(self) -> None:
        self._fd = open_file(self._path)
        try:
            found = os.fstat(self._fd)
            self._identity = (found.st_dev, found.st_ino)
            if is_torn(self._fd):
                os.write(self._fd, b"\n")
                self._writes += 1
        except OSError:
            self._shut()
            raise

    def _write(self, data: bytes) -> None:
        if self._sync_failed:
            raise OSError(errno.EIO, self.failure)
        if self._fd < 0:
            self._open()
        left = memoryview(data)
        try:
            while left:
                left = left[os.write(self._fd, left) :]
        except OSError:
            self._take_back(len(data) - len(left))
            raise
        self._writes += 1

    def _take_back(self, count: int) -> None:
        with contextlib.suppress(OSError):  # what the write said is what matters
            self._cut(os.fstat(self._fd).st_size - count)

    def _cut(self, size: int) -> None:
        try:
            os.ftruncate(self._fd, size)
        except OSError:
            self._shut()  # whoever opens it anew ends the torn line
            raise

    def _reserve(self) -> None:
        """Tries whether there is room, without a trace; if that cannot be told, says yes.

        Nothing may be appended in between, so this runs in no thread.
        """
        if not may_shrink(self._fd):
            return
        size = os.fstat(self._fd).st_size
        try:
            reserve(self._fd)
        finally:
            self._cut(size)

    async def _sync(self) -> None:
        writes = self._writes
        try:
            await asyncio.to_thread(os.fdatasync, self._fd)
        except OSError:
            self._sync_failed = True
            self._failures += 1
            raise
        self._synced = max(self._synced, writes)

    def _shut(self) -> None:
        """Closes the file; what it held can be synced no later."""
        fd, self._fd, self._identity = self._fd, -1, None
        if fd < 0:
            return
        try:
            if self._writes != self._synced:
                os.fdatasync(fd)
        except OSError as error:
            self._sync_failed = True
            self._failures += 1
            self._fail(error)
        finally:
            self._synced = self._writes
            os.close(fd)

    async def _sync_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            await self.sync_once()

    def _was_moved(self) -> bool:
        try:
            found = self._path.lstat()
        except FileNotFoundError:
            return True
        return (found.st_dev, found.st_ino) != self._identity
