"""Whoever follows the epoch hears of a change at once and of its absence in every beat."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from governd.application.watch_epoch import EpochFeed
from governd.policy.decision import PolicyInfo
from tests.fakes.policy_source import FakePolicySource
from tests.policies import PERMIT_ALL, source_files
from tests.unit.application.test_evaluate import keeper_of

NEVER, AT_ONCE = 3600.0, 0.0


async def following(beat: float) -> tuple[EpochFeed, AsyncIterator[PolicyInfo]]:
    keeper = keeper_of(FakePolicySource(source_files(PERMIT_ALL)))
    feed = EpochFeed(keeper, clock=lambda: 100.0, beat_seconds=beat)
    return feed, feed.follow()


async def test_the_state_comes_at_once_and_when_it_changes() -> None:
    feed, states = await following(NEVER)
    first = await anext(states)
    waiting = asyncio.ensure_future(anext(states))
    await asyncio.sleep(0)
    await feed.__dict__["_keeper"].check()
    assert not waiting.done()
    feed.changed()
    second = await waiting
    assert first.digest == ""
    assert second.digest
    assert first.epoch != second.epoch


async def test_a_beat_comes_though_nothing_changes() -> None:
    _, states = await following(AT_ONCE)
    assert await anext(states) == await anext(states)


async def test_a_change_while_the_follower_is_busy_is_not_lost() -> None:
    feed, states = await following(NEVER)
    await anext(states)
    waiting = asyncio.ensure_future(anext(states))
    await asyncio.sleep(0)
    feed.changed()
    feed.changed()
    await waiting


async def test_who_stops_following_is_forgotten() -> None:
    feed, states = await following(NEVER)
    await anext(states)
    assert feed.followers == 1
    waiting = asyncio.ensure_future(anext(states))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert feed.followers == 0


async def test_a_change_between_two_messages_is_told_in_the_next() -> None:
    feed, states = await following(NEVER)
    await anext(states)
    await feed.__dict__["_keeper"].check()
    feed.changed()  # the follower is still writing the first message
    assert (await anext(states)).digest
