# ruff: noqa: ASYNC240 - nothing else runs in the loop of a test
"""The decision log never holds a torn line and never loses an acknowledged one."""

import asyncio
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from governd.adapters.decision_file import DecisionFile
from governd.errors import DecisionLogError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "decisions.jsonl"


def opened(path: Path, **parts: Any) -> DecisionFile:
    log = DecisionFile(path, **{"sync_interval_seconds": 60, **parts})
    log.open()
    return log


def failing(after: int, real: Callable[..., int]) -> Callable[..., int]:
    """A write that takes so many bytes and then finds the disk full."""
    left = [after]

    def write(fd: int, data: bytes) -> int:
        if not left[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = min(left[0], len(data))
        left[0] -= taken
        return real(fd, data[:taken])

    return write


async def test_the_file_is_made_for_its_owner_alone(path: Path) -> None:
    await opened(path).close()
    assert path.stat().st_mode & 0o777 == 0o600


async def test_what_is_there_is_kept(path: Path) -> None:
    path.write_bytes(b"old\n")
    log = opened(path)
    await log.append([b"new"])
    await log.close()
    assert path.read_bytes() == b"old\nnew\n"


async def test_a_line_that_a_crash_tore_is_ended(path: Path) -> None:
    path.write_bytes(b'{"torn')
    log = opened(path)
    await log.append([b"new"])
    await log.close()
    assert path.read_bytes() == b'{"torn\nnew\n'


def test_a_link_is_not_followed(path: Path) -> None:
    path.symlink_to(path.with_name("other"))
    with pytest.raises(DecisionLogError, match=r"decision log .*decisions\.jsonl"):
        opened(path)
    assert not path.with_name("other").exists()


@pytest.mark.parametrize("reader", [False, True], ids=["nobody reads", "somebody reads"])
def test_a_fifo_is_refused_at_once(path: Path, reader: bool) -> None:
    os.mkfifo(path)
    end = os.open(path, os.O_RDONLY | os.O_NONBLOCK) if reader else -1
    with pytest.raises(DecisionLogError, match="not a regular file"):
        opened(path)
    if reader:
        os.close(end)


def test_a_device_is_refused() -> None:
    with pytest.raises(DecisionLogError, match="not a regular file"):
        opened(Path("/dev/full"))


async def test_a_file_that_others_may_read_is_made_its_owners_alone(path: Path) -> None:
    path.write_bytes(b"old\n")
    path.chmod(0o644)
    await opened(path).close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DecisionLogError, match="No such file"):
        opened(tmp_path / "none" / "log")


async def test_a_write_in_pieces_is_a_whole_one(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, write = opened(path), os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:2]))
    await log.append([b"12345", b"678"])
    await log.close()
    assert path.read_bytes() == b"12345\n678\n"


async def test_a_write_that_fails_half_way_is_taken_back(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[OSError] = []
    log = opened(path, on_failure=told.append)
    await log.append([b"first"])
    with monkeypatch.context() as full:
        full.setattr(os, "write", failing(3, os.write))
        with pytest.raises(DecisionLogError, match="No space left"):
            await log.append([b"second"])
    assert path.read_bytes() == b"first\n"
    assert (log.failure, len(told)) == ("No space left on device", 1)
    await log.append([b"third"])
    await log.close()
    assert path.read_bytes() == b"first\nthird\n"
    assert log.failure == ""


async def test_half_a_line_that_cannot_be_taken_back_is_ended(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a file that may only be appended to."""
    log = opened(path)
    with monkeypatch.context() as full:
        full.setattr(os, "write", failing(3, os.write))
        full.setattr(os, "ftruncate", failing(0, lambda *_: 0))
        with pytest.raises(DecisionLogError):
            await log.append([b"second"])
    await log.append([b"third"])
    await log.close()
    assert path.read_bytes() == b"sec\nthird\n"


async def test_all_that_wait_together_fail_together(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = opened(path)
    monkeypatch.setattr(os, "write", failing(0, os.write))
    results = await asyncio.gather(*(log.append([b"x"]) for _ in range(3)), return_exceptions=True)
    assert all(isinstance(result, DecisionLogError) for result in results)


async def test_the_records_of_a_batch_are_written_with_one_call(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, write, calls = opened(path), os.write, list[bytes]()

    def counting(fd: int, data: bytes) -> int:
        calls.append(bytes(data))
        return write(fd, data)

    monkeypatch.setattr(os, "write", counting)
    await log.append([b"x", b"y", b"z"])
    assert calls == [b"x\ny\nz\n"]
    await log.close()


async def test_a_caller_that_gave_up_does_not_stop_the_others(path: Path) -> None:
    log = opened(path)
    gone, stays = (asyncio.ensure_future(log.append([name])) for name in (b"gone", b"stays"))
    await asyncio.sleep(0)
    gone.cancel()
    await stays
    await log.close()
    assert b"stays\n" in path.read_bytes()


async def test_closing_writes_what_waits(path: Path) -> None:
    log = opened(path)
    waiting = asyncio.ensure_future(log.append([b"x"]))
    await asyncio.sleep(0)
    await log.close()
    await waiting
    assert path.read_bytes() == b"x\n"
    await log.close()  # once more is once


class Syncs:
    """Counts what is brought to disk; a test breaks it with ``broken``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.broken = False
        self._loop = asyncio.get_running_loop()
        self._done = asyncio.Event()
        monkeypatch.setattr(os, "fdatasync", self._sync)

    def _sync(self, _: int) -> None:
        self.count += 1
        self._loop.call_soon_threadsafe(self._done.set)
        if self.broken:
            raise OSError(errno.EIO, "Input/output error")

    async def one(self) -> None:
        await asyncio.wait_for(self._done.wait(), timeout=5)


async def test_what_was_written_is_synced_once_in_the_background(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, syncs = opened(path, sync_interval_seconds=0), Syncs(monkeypatch)
    log.start()
    await log.append([b"x"])
    await syncs.one()
    for _ in range(20):
        await asyncio.sleep(0)
    assert syncs.count == 1
    await log.close()


async def test_a_sync_that_fails_shows_until_one_succeeds(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[OSError] = []
    log, syncs = opened(path, on_failure=told.append), Syncs(monkeypatch)
    await log.append([b"x"])
    syncs.broken = True
    for attempts in (1, 2, 3):
        await log.sync_once()
        assert (syncs.count, len(told)) == (attempts, 1)
        assert not log.state().ready
        assert "Input/output error" in log.state().detail
    syncs.broken = False
    await log.sync_once()
    assert log.state().ready
    await log.close()


async def test_nothing_is_accepted_while_a_sync_failure_stands(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[OSError] = []
    log, syncs = opened(path, on_failure=told.append), Syncs(monkeypatch)
    await log.append([b"x"])
    syncs.broken = True
    await log.sync_once()
    with pytest.raises(DecisionLogError, match="cannot be written: Input/output error"):
        await log.append([b"refused"])
    assert (path.read_bytes(), len(told)) == (b"x\n", 2)
    assert not log.state().ready
    syncs.broken = False
    await log.sync_once()
    await log.append([b"y"])
    await log.close()
    assert path.read_bytes() == b"x\ny\n"


async def test_what_is_written_during_a_sync_is_synced_by_the_next(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, count = opened(path), list[int]()
    loop = asyncio.get_running_loop()

    def sync(_: int) -> None:
        count.append(1)
        if len(count) == 1:
            asyncio.run_coroutine_threadsafe(log.append([b"y"]), loop).result(5)

    monkeypatch.setattr(os, "fdatasync", sync)
    await log.append([b"x"])
    for synced in (1, 2, 2):
        await log.sync_once()
        assert len(count) == synced
    await log.close()


async def test_what_is_appended_durably_is_on_disk_before_that_returns(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, syncs = opened(path), Syncs(monkeypatch)
    await log.append([b"x"])
    await log.append_durably([b"y"])
    assert syncs.count == 1
    await asyncio.gather(*(log.append_durably([b"z"]) for _ in range(8)))
    assert syncs.count == 2, "those who wait together wait for one sync"
    await log.sync_once()
    assert syncs.count == 2
    await log.close()
    assert path.read_bytes() == b"x\ny\n" + b"z\n" * 8


async def test_nothing_is_durable_that_a_sync_may_have_lost(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, syncs = opened(path), Syncs(monkeypatch)
    syncs.broken = True
    with pytest.raises(DecisionLogError, match="cannot be synced: Input/output error"):
        await log.append_durably([b"x"])
    assert not log.state().ready
    syncs.broken = False
    await log.sync_once()
    await log.append_durably([b"y"])
    await log.close()


async def test_a_sync_that_failed_while_another_waited_is_told_to_both(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linux tells of a failed write-back once: the next sync succeeds and proves nothing."""
    log, calls = opened(path), list[int]()

    def sync(_: int) -> None:
        calls.append(1)
        if len(calls) == 1:
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", sync)
    both = [log.append_durably([name]) for name in (b"x", b"y")]
    told = await asyncio.gather(*both, return_exceptions=True)
    assert all(isinstance(one, DecisionLogError) for one in told)
    await log.close()


async def test_a_sync_whose_caller_hung_up_still_tells_of_its_failure(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, syncs = opened(path), Syncs(monkeypatch)
    syncs.broken = True
    gone = asyncio.ensure_future(log.append_durably([b"x"]))
    await syncs.one()
    gone.cancel()
    with pytest.raises(DecisionLogError):
        await log.append_durably([b"y"])
    await log.close()


async def full_log(path: Path, monkeypatch: pytest.MonkeyPatch) -> DecisionFile:
    """A log with one record, whose last write found the disk full."""
    log = opened(path)
    await log.append([b"first"])
    with monkeypatch.context() as full:
        full.setattr(os, "write", failing(0, os.write))
        with pytest.raises(DecisionLogError):
            await log.append([b"second"])
    return log


def no_room(code: int) -> Callable[..., None]:
    def reserve(*_: int) -> None:
        raise OSError(code, os.strerror(code))

    return reserve


async def test_the_end_of_a_full_disk_is_found_without_traffic(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = await full_log(path, monkeypatch)
    with monkeypatch.context() as full:
        full.setattr(os, "posix_fallocate", no_room(errno.ENOSPC))
        await log.sync_once()
    assert not log.state().ready
    await log.sync_once()
    assert log.state().ready
    assert path.read_bytes() == b"first\n"
    await log.close()


async def test_a_file_system_that_reserves_nothing_leaves_it_to_the_next_write(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = await full_log(path, monkeypatch)
    monkeypatch.setattr(os, "posix_fallocate", no_room(errno.EOPNOTSUPP))
    await log.sync_once()
    assert log.state().ready
    await log.close()


async def test_nothing_is_reserved_in_a_file_that_may_only_grow(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after chattr +a: it could not be taken back."""
    log = await full_log(path, monkeypatch)
    monkeypatch.setattr(os, "ftruncate", no_room(errno.EPERM))
    await log.sync_once()
    assert log.state().ready
    await log.close()
    assert path.read_bytes() == b"first\n"


async def test_a_reservation_that_cannot_be_taken_back_ends_its_line(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, cuts, cut = await full_log(path, monkeypatch), list[int](), os.ftruncate

    def second_fails(fd: int, size: int) -> None:
        cuts.append(size)
        if len(cuts) == 2:
            raise OSError(errno.EIO, "Input/output error")
        cut(fd, size)

    monkeypatch.setattr(os, "ftruncate", second_fails)
    await log.sync_once()
    assert not log.state().ready
    await log.append([b"third"])
    await log.close()
    assert path.read_bytes().splitlines()[0::2] == [b"first", b"third"]


async def test_a_file_that_was_moved_away_is_opened_anew(path: Path) -> None:
    log = opened(path)
    await log.append([b"old"])
    path.rename(path.with_suffix(".1"))
    await log.sync_once()
    await log.append([b"new"])
    await log.close()
    assert path.with_suffix(".1").read_bytes() == b"old\n"
    assert path.read_bytes() == b"new\n"


async def test_a_file_that_cannot_be_opened_anew_shows_until_it_can(path: Path) -> None:
    told: list[OSError] = []
    folder = path.parent / "folder"
    folder.mkdir()
    log = opened(folder / "log", on_failure=told.append)
    folder.rename(path.parent / "away")
    for _ in range(2):
        await log.sync_once()
        assert not log.state().ready
    assert [error.errno for error in told] == [errno.ENOENT]
    folder.mkdir()
    await log.sync_once()
    assert log.state().ready
    await log.close()


async def test_a_file_that_can_no_longer_be_synced_can_be_replaced(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, sync = opened(path), os.fdatasync
    await log.append([b"old"])
    bad = path.stat().st_ino

    def sync_one(fd: int) -> None:
        if os.fstat(fd).st_ino == bad:
            raise OSError(errno.EIO, "Input/output error")
        sync(fd)

    monkeypatch.setattr(os, "fdatasync", sync_one)
    await log.sync_once()
    path.rename(path.with_suffix(".bad"))
    await log.sync_once()
    await log.sync_once()
    assert log.state().ready
    await log.append([b"new"])
    await log.close()
    assert path.read_bytes() == b"new\n"


async def test_a_sync_that_fails_at_the_end_is_told(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[OSError] = []
    log, syncs = opened(path, on_failure=told.append), Syncs(monkeypatch)
    await log.append([b"x"])
    syncs.broken = True
    await log.close()
    assert [error.errno for error in told] == [errno.EIO]


async def test_a_log_that_could_not_be_opened_is_tried_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = DecisionFile(path / "x" / "log", sync_interval_seconds=60)
    with pytest.raises(DecisionLogError):
        await log.append([b"lost"])
    (path / "x").mkdir(parents=True)
    await log.append([b"kept"])
    await log.close()
    assert (path / "x" / "log").read_bytes() == b"kept\n"
