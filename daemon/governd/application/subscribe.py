"""Follows a source of identities for as long as anybody wants to know."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import NoReturn, TypeVar

from governd.application.backoff import Backoff
from governd.errors import IdentityError, IdentityFaultError, SourceAwayError

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Time:
    """The time, as the world tells it.

    Attributes:
        clock: Monotonic seconds.
        wall_clock: Seconds since 1970.
        sleep: Waits for so many seconds.
    """

    clock: Callable[[], float]
    wall_clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


async def subscribe(
    begin: Callable[[], AsyncGenerator[Item, None]],
    take: Callable[[Item], None],
    fail: Callable[[IdentityError], None],
    time: Time,
) -> NoReturn:
    """Takes what a subscription tells, and begins it anew whenever it breaks, for ever.

    Args:
        begin: Begins the subscription.
        take: Gets each item. None is kept here.
        fail: Told each time that it breaks.
        time: Waits between two tries.
    """
    waits = Backoff()
    while True:
        began = time.clock()
        try:
            async with contextlib.aclosing(begin()) as items:
                async for item in items:
                    take(item)
                    del item
            fail(SourceAwayError("the subscription was ended"))
        except IdentityError as error:
            fail(error)
        except Exception as fault:  # noqa: BLE001  whatever a source trips over, it is tried again
            fail(_fault(fault))
        await time.sleep(waits.next(time.clock() - began))


def _fault(fault: Exception) -> IdentityError:
    error = IdentityFaultError(f"a fault in governd: {type(fault).__name__}")
    error.__cause__ = fault
    return error
