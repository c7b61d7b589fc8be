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
    """Counts what is brought to disk, and tells of each."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, failing: bool = False) -> None:
        self.count = 0
        self._loop = asyncio.get_running_loop()
        self._done = asyncio.Event()
        self._failing = failing
        monkeypatch.setattr(os, "fdatasync", self._sync)

    def _sync(self, _: int) -> None:
        self.count += 1
        self._loop.call_soon_threadsafe(self._done.set)
        if self._failing:
            raise OSError(errno.EIO, "Input/output error")

    async def one(self) -> None:
        await asyncio.wait_for(self._done.wait(), timeout=5)


async def test_what_was_written_is_synced_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, syncs = opened(path, sync_interval_seconds=0), Syncs(monkeypatch)
    log.start()
    await log.append([b"x"])
    await syncs.one()
    for _ in range(20):
        await asyncio.sleep(0)
    assert syncs.count == 1
    await log.close()


async def test_a_sync_that_fails_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = asyncio.Event()
    log = opened(path, sync_interval_seconds=0, on_failure=lambda _: told.set())
    Syncs(monkeypatch, failing=True)
    log.start()
    await log.append([b"x"])
    await asyncio.wait_for(told.wait(), timeout=5)
    await log.close()


async def log_is_at(path: Path) -> None:
    while not path.exists():  # noqa: ASYNC110 - the log tells nobody that it was opened
        await asyncio.sleep(0)


async def test_a_file_that_was_moved_away_is_opened_anew(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = opened(path, sync_interval_seconds=0)
    await log.append([b"old"])
    path.rename(path.with_suffix(".1"))
    log.start()
    await log_is_at(path)
    await log.append([b"new"])
    await log.close()
    assert path.with_suffix(".1").read_bytes() == b"old\n"
    assert path.read_bytes() == b"new\n"


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
