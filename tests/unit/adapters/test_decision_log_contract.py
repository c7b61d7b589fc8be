"""What every decision log does, the fake and the file alike."""

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from governd.adapters.decision_file import DecisionFile
from governd.audit.ports import DecisionLog
from governd.errors import DecisionLogError
from tests.fakes.decision_log import FakeDecisionLog


class Log(NamedTuple):
    """A log, what it holds, and how to fill its disk."""

    port: DecisionLog
    lines: Callable[[], list[bytes]]
    fill: Callable[[bool], object]


@asynccontextmanager
async def fake(_: Path, __: pytest.MonkeyPatch) -> AsyncIterator[Log]:
    log = FakeDecisionLog()
    yield Log(log, lambda: log.lines, lambda full: setattr(log, "full", full))


@asynccontextmanager
async def file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Log]:
    path = folder / "decisions.jsonl"
    log = DecisionFile(path, sync_interval_seconds=60)
    log.open()
    write = os.write

    def no_space(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    def fill(full: bool) -> None:
        monkeypatch.setattr(os, "write", no_space if full else write)

    yield Log(log, lambda: path.read_bytes().splitlines(), fill)
    await log.close()


@pytest.fixture(params=[fake, file], ids=["fake", "file"])
async def log(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Log]:
    async with request.param(tmp_path, monkeypatch) as made:
        yield made


async def test_records_are_there_before_append_returns(log: Log) -> None:
    await log.port.append([b"1", b"2"])
    assert log.lines() == [b"1", b"2"]


async def test_records_stay_in_order(log: Log) -> None:
    await asyncio.gather(*(log.port.append([b"%d" % number]) for number in range(20)))
    assert log.lines() == [b"%d" % number for number in range(20)]


async def test_nothing_is_no_record(log: Log) -> None:
    await log.port.append([])
    assert log.lines() == []


async def test_what_is_not_on_file_is_an_error_and_leaves_nothing(log: Log) -> None:
    await log.port.append([b"1"])
    log.fill(True)
    with pytest.raises(DecisionLogError) as error:
        await log.port.append([b"2"])
    assert error.value.reason == "LOG_UNAVAILABLE"
    log.fill(False)
    await log.port.append([b"3"])
    assert log.lines() == [b"1", b"3"]
