"""Draining: nothing that has begun is lost, and everyone else is told to come back."""

import asyncio
import os
import time
from collections import Counter

import grpc
import grpc.aio
import pytest

from tests.integration.endpoints.doors import (
    Door,
    Echo,
    OpenDoor,
    ask,
    message,
    read,
    refusal,
    refused,
    stream,
    until,
)

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


async def test_a_call_in_flight_finishes_and_a_new_one_is_told_to_come_back(
    open_door: OpenDoor,
) -> None:
    gate = asyncio.Event()

    async def wait(text: str) -> str:
        await gate.wait()
        return text

    door = await open_door(echo=Echo(wait))
    async with door.channel() as channel:
        begun = asyncio.ensure_future(ask(channel))
        await door.echo.first_begun.wait()
        drain = asyncio.ensure_future(door.listener.drain(grace=5.0))
        await asyncio.sleep(0)
        late = await refused(ask(channel))
        assert (late.code, late.reason) == (UNAVAILABLE, "DRAINING")
        assert late.retry_after is not None
        gate.set()
        assert await begun == "hello"
        assert await drain == 0
    assert not await asyncio.to_thread(os.listdir, door.path.parent)


async def test_a_stream_is_ended_with_a_status_that_says_to_come_back(open_door: OpenDoor) -> None:
    door = await open_door()
    async with door.channel() as channel:
        call = stream(channel)
        await call.write(message("one"))
        assert await read(call) == "one"
        drain = asyncio.ensure_future(door.listener.drain(grace=5.0))
        found = await refused(read(call))
        assert (found.code, found.reason) == (UNAVAILABLE, "DRAINING")
        await drain


async def test_a_call_that_outlasts_the_grace_period_is_ended_with_a_status(
    open_door: OpenDoor,
) -> None:
    async def never(text: str) -> str:
        await asyncio.Event().wait()
        return text

    door = await open_door(echo=Echo(never))
    async with door.channel() as channel:
        stuck = asyncio.ensure_future(refused(ask(channel)))
        await door.echo.first_begun.wait()
        assert await door.listener.drain(grace=0.05) == 1
        found = await stuck
        assert (found.code, found.reason) == (UNAVAILABLE, "DRAINING")


async def test_callers_that_never_stop_asking_do_not_hold_up_a_drain(open_door: OpenDoor) -> None:
    door = await open_door()

    async def insist(channel: grpc.aio.Channel) -> None:
        while door.listener.is_open:
            await refused(ask(channel))

    async with door.channel() as channel:
        await ask(channel)
        began = time.monotonic()
        drain = asyncio.ensure_future(door.listener.drain(grace=5.0))
        await asyncio.sleep(0)
        await insist(channel)
        await drain
    assert 0.4 < time.monotonic() - began < 3.0


async def load(door: Door, outcomes: "Counter[str]", stop: asyncio.Event) -> None:
    """Asks without pause, as an agent would, until governd is gone."""
    async with door.channel() as channel:
        while not stop.is_set():
            try:
                await ask(channel)
            except grpc.aio.AioRpcError as error:
                outcomes[f"{error.code().name} {refusal(error).reason}".strip()] += 1
                stop.set()
            else:
                outcomes["OK"] += 1


@pytest.mark.req("lc-3", part=True)
async def test_a_drain_under_load_loses_no_call_that_has_begun(open_door: OpenDoor) -> None:
    async def work(text: str) -> str:
        await asyncio.sleep(0.002)
        return text

    for attempt in range(5):
        door = await open_door(echo=Echo(work), name=f"{attempt}.sock")
        outcomes = await drained_under_load(door)
        assert set(outcomes) <= {"OK", "UNAVAILABLE DRAINING", "UNAVAILABLE"}
        assert outcomes["OK"] == door.echo.begun


async def drained_under_load(door: Door) -> "Counter[str]":
    """How the calls of 16 callers ended before, in and after a drain."""
    outcomes: Counter[str] = Counter()
    clients = [asyncio.ensure_future(load(door, outcomes, asyncio.Event())) for _ in range(16)]
    await until(lambda: outcomes["OK"] > 50)
    assert await door.listener.drain(grace=5.0) == 0
    await asyncio.gather(*clients)
    return outcomes
