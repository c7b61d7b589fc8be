"""A subscription that breaks is begun again, in good time and not all at once."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterator

import pytest

from governd.application.backoff import FIRST_SECONDS, LONGEST_SECONDS, Backoff
from governd.application.subscribe import Time, subscribe
from governd.errors import IdentityError, IdentityFaultError, SourceAwayError
from tests.fakes.time import FakeTime, settle


def test_waits_double_to_the_longest() -> None:
    waits = Backoff(spread=lambda: 0.0)
    found = [waits.next(0.0) for _ in range(9)]
    assert found[:4] == [0.05, 0.1, 0.2, 0.4]
    assert found[-2:] == [LONGEST_SECONDS, LONGEST_SECONDS]


def test_waits_are_spread_over_half_of_their_length() -> None:
    shortest, longest = Backoff(spread=lambda: 1.0), Backoff(spread=lambda: 0.0)
    assert shortest.next(0.0) == longest.next(0.0) / 2 == FIRST_SECONDS / 2
    assert len({Backoff().next(0.0) for _ in range(9)}) > 1


def test_what_went_well_for_long_is_tried_again_soon() -> None:
    waits = Backoff(spread=lambda: 0.0)
    for _ in range(9):
        waits.next(4.9)
    assert waits.next(4.9) == LONGEST_SECONDS
    assert waits.next(LONGEST_SECONDS) == FIRST_SECONDS


class Followed:
    """A subscription whose tries a test writes: what each gives, and how it ends."""

    def __init__(self, *tries: tuple[list[str], BaseException | None]) -> None:
        self.time = FakeTime()
        self.items: list[str] = []
        self.errors: list[IdentityError] = []
        self.closed = 0
        self._tries: Iterator[tuple[list[str], BaseException | None]] = iter(tries)
        time = Time(self.time.clock, self.time.wall_clock, self.time.sleep)
        self.task = asyncio.ensure_future(
            subscribe(self._begin, self.items.append, self.errors.append, time)
        )

    async def _begin(self) -> AsyncGenerator[str, None]:
        try:
            items, error = next(self._tries, (["and so on"], asyncio.CancelledError()))
            for item in items:
                yield item
            if isinstance(error, asyncio.CancelledError):
                await asyncio.Event().wait()
            if error is not None:
                raise error
        finally:
            self.closed += 1


async def test_what_breaks_is_told_and_begun_again() -> None:
    followed = Followed((["a", "b"], SourceAwayError("away")), (["c"], None))
    await settle()
    assert (followed.items, [str(error) for error in followed.errors]) == (["a", "b"], ["away"])
    await followed.time.advance(FIRST_SECONDS)
    assert followed.items == ["a", "b", "c"]
    assert "ended" in str(followed.errors[1])
    await followed.time.advance(2 * FIRST_SECONDS)
    assert followed.items[-1] == "and so on"
    assert followed.closed == 2


async def test_a_fault_of_a_source_is_a_source_that_is_away() -> None:
    followed = Followed(([], ZeroDivisionError("secret")))
    await followed.time.advance(1)
    (error,) = followed.errors
    assert isinstance(error, IdentityFaultError)
    assert isinstance(error, SourceAwayError)
    assert str(error) == "a fault in governd: ZeroDivisionError"
    assert isinstance(error.__cause__, ZeroDivisionError)
    assert followed.items == ["and so on"]


async def test_tries_become_rare_while_nothing_works() -> None:
    followed = Followed(*[([], SourceAwayError("away"))] * 100)
    await followed.time.advance(60)
    assert 15 <= len(followed.errors) <= 35
    assert max(followed.time.slept) <= LONGEST_SECONDS


@pytest.mark.parametrize("seconds", [0.0, 1.0])
async def test_who_no_longer_wants_to_know_ends_the_subscription(seconds: float) -> None:
    followed = Followed((["a"], asyncio.CancelledError()))
    await followed.time.advance(seconds)
    followed.task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await followed.task
    assert followed.closed == 1
