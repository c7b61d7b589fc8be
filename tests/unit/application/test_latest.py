"""Followers get the newest value, and the last."""

import asyncio

from governd.application.latest import Latest
from tests.fakes.time import settle


async def test_a_follower_gets_the_value_now_and_each_that_is_another_one() -> None:
    latest = Latest(1)
    following = latest.follow()
    assert await anext(following) == 1
    waiting = asyncio.ensure_future(anext(following))
    assert latest.set(1) is False
    await settle()
    assert not waiting.done()
    assert latest.set(2) is True
    assert await waiting == latest.value == 2


async def test_a_slow_follower_misses_what_is_old() -> None:
    latest = Latest(1)
    following = latest.follow()
    await anext(following)
    for value in (2, 3, 4):
        latest.set(value)
    assert await anext(following) == 4


async def test_every_follower_ends_with_the_last_value() -> None:
    latest = Latest(1)
    early, late = latest.follow(), latest.follow()
    await anext(early)
    latest.close(9)
    assert [value async for value in early] == [9]
    assert [value async for value in late] == [9]


async def test_nothing_comes_after_the_last_value() -> None:
    latest = Latest(1)
    latest.close(9)
    assert latest.set(10) is False
    assert latest.value == 9
