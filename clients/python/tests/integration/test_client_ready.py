"""Both clients wait for their identity, in memory and over a socket, and for governd itself."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from governd_client import (
    AsyncClient,
    Client,
    DeadlineExceededError,
    InternalError,
    InvalidRequestError,
    MalformedAnswerError,
    NotReadyError,
    Phase,
    Readiness,
    UnavailableError,
)
from governd_client.testing import FakeGovernd, status_of

NO_ENTRY = "no registration entry matches"


class Waiter:
    """Either client, seen from a coroutine."""

    def __init__(self, client: Client | AsyncClient) -> None:
        self._client = client

    async def wait_ready(self, timeout: float) -> Readiness:  # noqa: ASYNC109 - the client's
        if isinstance(self._client, AsyncClient):
            return await self._client.wait_ready(timeout=timeout)
        return await asyncio.to_thread(self._client.wait_ready, timeout=timeout)

    async def close(self) -> None:
        if isinstance(self._client, AsyncClient):
            await self._client.close()
        else:
            await asyncio.to_thread(self._client.close)


@pytest.fixture(params=["sync-memory", "sync-wire", "async-memory", "async-wire"])
async def waiter(
    request: pytest.FixtureRequest, governd: FakeGovernd, tmp_path: Path, wait: "Until"
) -> AsyncIterator[Waiter]:
    kind, where = request.param.split("-")
    memory = where == "memory"
    before = set(threading.enumerate())
    with governd.serve(tmp_path / "governd.sock") as path:
        made = Waiter(
            Client(path, port=governd.port() if memory else None)
            if kind == "sync"
            else AsyncClient(path, port=governd.async_port() if memory else None)
        )
        yield made
        await made.close()

    def left() -> set[str]:
        return {each.name for each in set(threading.enumerate()) - before}

    await wait(lambda: "governd-ready" not in left())  # it was told to end


Until = Callable[[Callable[[], bool]], Awaitable[None]]


async def test_who_is_there_is_told_at_once(waiter: Waiter) -> None:
    assert await waiter.wait_ready(10) == Readiness(Phase.READY, "", None)


async def test_a_wait_lasts_until_the_identity_is_there(
    governd: FakeGovernd, waiter: Waiter, wait: Until
) -> None:
    governd.waits_for = NO_ENTRY
    ready = asyncio.create_task(waiter.wait_ready(10))
    await wait(lambda: governd.waiters == 1)
    assert not ready.done()
    governd.waits_for = ""
    assert (await ready).phase is Phase.READY
    await wait(lambda: governd.waiters == 0)


async def test_a_wait_that_is_too_long_says_for_what(
    governd: FakeGovernd, waiter: Waiter, wait: Until
) -> None:
    governd.waits_for = NO_ENTRY
    with pytest.raises(NotReadyError, match=f"not ready within 0.3 s: {NO_ENTRY}") as raised:
        await waiter.wait_ready(0.3)
    assert raised.value.waits_for == NO_ENTRY
    assert isinstance(raised.value, DeadlineExceededError)
    await wait(lambda: governd.waiters == 0)


async def test_a_governd_that_drains_is_waited_for(
    governd: FakeGovernd, waiter: Waiter, wait: Until
) -> None:
    governd.waits_for = NO_ENTRY
    ready = asyncio.create_task(waiter.wait_ready(10))
    await wait(lambda: governd.waiters == 1)
    governd.drain()
    governd.waits_for = ""
    assert (await ready).phase is Phase.READY


async def test_a_fault_is_told_at_once(governd: FakeGovernd, waiter: Waiter) -> None:
    governd.refusals["WaitReady"] = status_of("INTERNAL", "INTERNAL")
    with pytest.raises(InternalError):
        await waiter.wait_ready(10)


async def test_a_limit_that_is_used_up_is_waited_for(governd: FakeGovernd, waiter: Waiter) -> None:
    governd.refusals["WaitReady"] = status_of("RESOURCE_EXHAUSTED", "STREAMS_LIMITED")
    ready = asyncio.create_task(waiter.wait_ready(10))
    await asyncio.sleep(0.1)
    assert not ready.done()
    governd.refusals.clear()
    assert (await ready).phase is Phase.READY


async def test_who_waits_for_a_client_that_is_closed_gets_an_error(
    governd: FakeGovernd, waiter: Waiter, wait: Until
) -> None:
    governd.waits_for = NO_ENTRY
    ready = asyncio.create_task(waiter.wait_ready(3))
    await wait(lambda: governd.waiters == 1)
    await waiter.close()
    governd.drain()  # a port in memory goes on to read what is open
    with pytest.raises(UnavailableError) as raised:
        await ready
    assert not isinstance(raised.value, NotReadyError)


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
async def test_there_is_always_an_end_to_it(waiter: Waiter, seconds: float) -> None:
    with pytest.raises(InvalidRequestError):
        await waiter.wait_ready(seconds)


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_an_agent_that_starts_before_governd_waits_for_the_socket(
    governd: FakeGovernd, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "governd.sock"
    waiter = Waiter(Client(str(path)) if kind == "sync" else AsyncClient(str(path)))
    ready = asyncio.create_task(waiter.wait_ready(10))
    await asyncio.sleep(0.2)
    assert not ready.done()
    with governd.serve(path):
        assert (await ready).phase is Phase.READY
        await waiter.close()


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_a_socket_that_never_comes_is_told_with_its_reason(tmp_path: Path, kind: str) -> None:
    path = str(tmp_path / "governd.sock")
    waiter = Waiter(Client(path) if kind == "sync" else AsyncClient(path))
    with pytest.raises(NotReadyError) as raised:
        await waiter.wait_ready(2)
    assert "governd.sock" in str(raised.value)
    await waiter.close()


async def test_a_task_that_is_cancelled_waits_no_more(governd: FakeGovernd, wait: Until) -> None:
    governd.waits_for = NO_ENTRY
    async with AsyncClient(port=governd.async_port()) as client:
        ready = asyncio.create_task(client.wait_ready(timeout=10))
        await wait(lambda: governd.waiters == 1)
        ready.cancel()
        with pytest.raises(asyncio.CancelledError):
            await ready
        assert governd.waiters == 0


async def test_a_stream_that_ends_as_if_all_were_well_is_an_error(
    governd: FakeGovernd, waiter: Waiter, wait: Until
) -> None:
    governd.waits_for = NO_ENTRY
    ready = asyncio.create_task(waiter.wait_ready(10))
    await wait(lambda: governd.waiters == 1)
    governd.end()
    with pytest.raises(MalformedAnswerError):
        await ready
