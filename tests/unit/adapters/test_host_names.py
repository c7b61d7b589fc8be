"""A name is looked up once at a time, and one that hangs is waited for by nobody else."""

import asyncio
import ipaddress
import threading
from collections import Counter
from collections.abc import Iterator

import pytest

from governd.adapters.host_names import HANGING_SECONDS, MOST_NAMES, Addresses, HostNames
from governd.application.issuer_ports import IssuerAwayError, NotAskedError
from tests.fakes.time import FakeTime

pytestmark = pytest.mark.req("avail-3", part=True)

FOUND = (ipaddress.ip_address("192.0.2.1"),)
SILENT = "silent.example"


class Names:
    """Looks names up as a test says.

    Attributes:
        asked: How often, by name.
        answer: Ends the look-ups of silent names.
    """

    def __init__(self) -> None:
        self.time = FakeTime()
        self.asked: Counter[str] = Counter()
        self.answer = threading.Event()
        self.names = HostNames(self._look, clock=self.time.clock)

    def _look(self, host: str) -> Addresses:
        self.asked[host] += 1
        if host.endswith(SILENT):
            self.answer.wait()
        if host.startswith("nobody"):
            raise OSError
        return FOUND

    def begin(self, host: str = SILENT) -> "asyncio.Task[Addresses]":
        return asyncio.ensure_future(self.names.addresses(host))


@pytest.fixture
def names() -> Iterator[Names]:
    made = Names()
    yield made
    made.answer.set()


async def test_a_silent_name_server_has_no_other_name_wait(names: Names) -> None:
    waiting = [names.begin(f"{number}.{SILENT}") for number in range(MOST_NAMES - 1)]
    for number in range(MOST_NAMES):
        assert await names.names.addresses(f"{number}.example") == FOUND
    assert not any(one.done() for one in waiting)
    names.answer.set()
    assert await asyncio.gather(*waiting) == [FOUND] * (MOST_NAMES - 1)


async def test_however_many_ask_it_is_looked_up_once_and_who_gives_up_ends_nothing(
    names: Names,
) -> None:
    waiting = [names.begin() for _ in range(100)]
    await asyncio.sleep(0)
    waiting.pop().cancel()
    names.answer.set()
    assert await asyncio.gather(*waiting) == [FOUND] * 99
    assert names.asked == {SILENT: 1}


async def test_a_name_is_looked_up_again_for_each_who_comes_later(names: Names) -> None:
    for _ in range(2):
        assert await names.names.addresses("login.example") == FOUND
    assert names.asked == {"login.example": 2}


async def test_who_asks_for_a_name_that_has_been_hanging_is_told_at_once(names: Names) -> None:
    waiting = names.begin()
    await names.time.advance(HANGING_SECONDS)
    later = names.begin()
    await names.time.advance(1)
    with pytest.raises(IssuerAwayError, match="without an answer"):
        await names.names.addresses(SILENT)
    names.answer.set()
    assert (await waiting, await later) == (FOUND, FOUND)
    assert await names.names.addresses(SILENT) == FOUND


async def test_a_name_that_gets_no_turn_is_not_asked_rather_than_away(names: Names) -> None:
    waiting = [names.begin(f"{number}.{SILENT}") for number in range(MOST_NAMES)]
    await asyncio.sleep(0)
    with pytest.raises(NotAskedError, match="other names"):
        await names.names.addresses("login.example")
    assert names.asked["login.example"] == 0
    names.answer.set()
    await asyncio.gather(*waiting)
    assert await names.names.addresses("login.example") == FOUND


async def test_an_error_is_each_ones_own(names: Names) -> None:
    waiting = [names.begin(f"nobody.{SILENT}") for _ in range(2)]
    await asyncio.sleep(0)
    names.answer.set()
    one, two = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(one, IssuerAwayError)
    assert str(one) == str(two) == "cannot be asked: OSError"
    assert one is not two


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """One that a test may close."""
    made = asyncio.new_event_loop()
    yield made
    made.close()


def test_a_look_up_that_outlives_its_loop_ends_in_silence(
    names: Names, loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[object] = []
    monkeypatch.setattr(threading, "excepthook", said.append)

    async def give_up() -> None:
        waiting = names.begin()
        await asyncio.sleep(0)
        waiting.cancel()

    loop.run_until_complete(give_up())
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    (thread,) = (one for one in threading.enumerate() if SILENT in one.name)
    assert thread.daemon, "it would be waited for at the end of the process"
    names.answer.set()
    thread.join()
    assert said == []
