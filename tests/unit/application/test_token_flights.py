"""However many wait, an authorization server is asked once; what failed is not asked at once."""

import asyncio

import pytest

from governd.application.token_flights import LONGEST_SECONDS, FlightLimits, Flights
from governd.errors import (
    ConcurrencyLimitedError,
    DecisionLogError,
    GoverndError,
    IdentityError,
    IssuerUnavailableError,
    RateLimitedError,
    TokenRefusedError,
)
from tests.fakes.time import FakeTime, settle

pytestmark = pytest.mark.req("avail-3", part=True)

AGENT, OTHER = "spiffe://example.org/agent/one", "spiffe://example.org/agent/two"


class Sky:
    """Flights, and what they are to come to."""

    def __init__(self, **limits: float) -> None:
        self.time = FakeTime()
        self.begun: list[str] = []
        self.landing = asyncio.Event()
        self.error: Exception | None = None
        self.flights: Flights[str, str] = Flights(FlightLimits(**limits), clock=self.time.clock)  # type: ignore[arg-type]

    async def fly(self, key: str) -> str:
        self.begun.append(key)
        await self.landing.wait()
        if self.error:
            raise self.error
        return f"{key} {len(self.begun)}"

    def wait(self, key: str = "crm", who: str = AGENT) -> "asyncio.Future[str]":
        return asyncio.ensure_future(self.flights.join(key, who, lambda: self.fly(key)))

    async def land(self, error: Exception | None = None) -> None:
        self.error = error
        self.landing.set()
        await settle()
        self.landing.clear()

    async def now(self, key: str = "crm") -> str:
        self.landing.set()
        return await self.wait(key)


@pytest.fixture
async def sky() -> Sky:
    return Sky()


async def test_a_hundred_that_wait_are_one_request(sky: Sky) -> None:
    waiting = [sky.wait() for _ in range(100)]
    await settle()
    assert (sky.begun, len(sky.flights)) == (["crm"], 1)
    await sky.land()
    assert {await one for one in waiting} == {"crm 1"}
    assert len(sky.flights) == 0


async def test_what_is_not_the_same_does_not_wait_for_it(sky: Sky) -> None:
    waiting = [sky.wait(key) for key in ("crm", "billing")]
    await settle()
    assert sky.begun == ["crm", "billing"]
    await sky.land()
    await asyncio.gather(*waiting)


async def test_what_came_is_not_remembered_here(sky: Sky) -> None:
    assert [await sky.now(), await sky.now()] == ["crm 1", "crm 2"]


async def test_whoever_hangs_up_ends_it_for_nobody(sky: Sky) -> None:
    first, second = sky.wait(), sky.wait()
    await settle()
    first.cancel()
    await settle()
    await sky.land()
    assert await second == "crm 1"


async def test_a_flight_that_nobody_waits_for_any_more_is_ended_by_its_failure(sky: Sky) -> None:
    """A task's exception that nobody looks at would be a warning, and a test's failure."""
    only = sky.wait()
    await settle()
    only.cancel()
    await settle()
    await sky.land(TokenRefusedError("refused"))
    with pytest.raises(TokenRefusedError):
        await sky.now()
    assert sky.begun == ["crm"]


@pytest.mark.parametrize(
    "error",
    [TokenRefusedError("no"), IssuerUnavailableError("away"), DecisionLogError("full")],
)
async def test_a_failure_is_told_to_all_and_kept_for_a_moment(
    sky: Sky, error: GoverndError
) -> None:
    waiting = [sky.wait() for _ in range(3)]
    await settle()
    await sky.land(error)
    for one in waiting:
        with pytest.raises(type(error)):
            await one
    await sky.time.advance(1.9)
    with pytest.raises(type(error), match=str(error)):
        await sky.now()
    assert sky.begun == ["crm"]
    await sky.time.advance(0.2)
    sky.error = None
    assert await sky.now() == "crm 2"


async def test_a_failure_of_one_key_is_none_of_another(sky: Sky) -> None:
    waiting = sky.wait()
    await settle()
    await sky.land(TokenRefusedError("no"))
    with pytest.raises(TokenRefusedError):
        await waiting
    sky.error = None
    assert await sky.now("billing") == "billing 2"


async def test_nobody_comes_back_before_the_server_says_so(sky: Sky) -> None:
    waiting = sky.wait()
    await settle()
    await sky.land(IssuerUnavailableError("busy", retry_after=30.0, metadata={"upstream": "crm"}))
    with pytest.raises(IssuerUnavailableError):
        await waiting
    await sky.time.advance(20)
    for _ in range(2):
        with pytest.raises(IssuerUnavailableError) as raised:
            await sky.now()
        assert raised.value.retry_after == pytest.approx(10)
        assert raised.value.metadata == {"upstream": "crm"}
    await sky.time.advance(10)
    sky.error = None
    assert await sky.now() == "crm 2"


async def test_attack_a_server_that_says_never_come_back(sky: Sky) -> None:
    waiting = sky.wait()
    await settle()
    await sky.land(IssuerUnavailableError("busy", retry_after=1e9))
    with pytest.raises(IssuerUnavailableError):
        await waiting
    await sky.time.advance(LONGEST_SECONDS)
    sky.error = None
    assert await sky.now() == "crm 2"


@pytest.mark.parametrize("error", [IdentityError("none"), ValueError("a fault of ours")])
async def test_what_another_caller_may_not_meet_is_not_kept(sky: Sky, error: Exception) -> None:
    waiting = sky.wait()
    await settle()
    await sky.land(error)
    with pytest.raises(type(error)):
        await waiting
    sky.error = None
    assert await sky.now() == "crm 2"


async def test_attack_as_many_failures_as_one_can_think_of_take_bounded_room() -> None:
    sky = Sky(kept=4)
    sky.error = TokenRefusedError("no")
    for number in range(10):
        with pytest.raises(TokenRefusedError):
            await sky.now(str(number))
    assert len(sky.flights._failed) == 4


async def test_attack_memory_of_a_failure_that_holds_what_was_sent(sky: Sky) -> None:
    """A traceback's frames hold the form, the answer and the token."""
    waiting = sky.wait()
    await settle()
    await sky.land(TokenRefusedError("no", metadata={"rule": "act_missing"}))
    with pytest.raises(TokenRefusedError):
        await waiting
    (failure,) = sky.flights._failed.values()
    assert failure.error.__traceback__ is None
    assert failure.error.__context__ is None
    assert failure.error.metadata == {"rule": "act_missing"}


async def test_attack_a_caller_that_asks_for_ever_new_tokens() -> None:
    sky = Sky(burst=3, per_second=2.0)
    for number in range(3):
        assert await sky.now(str(number))
    with pytest.raises(RateLimitedError) as raised:
        await sky.now("more")
    assert raised.value.retry_after == pytest.approx(0.5)
    sky.flights.ahead("more", AGENT, lambda: sky.fly("more"))
    await settle()
    assert len(sky.begun) == 3
    assert await sky.wait("other", OTHER) == "other 4", "nobody else is kept from it"
    await sky.time.advance(0.5)
    assert await sky.now("more") == "more 5"
    await sky.time.advance(3600)
    for number in range(3):
        assert await sky.now(str(number))
    with pytest.raises(RateLimitedError):
        await sky.now("more")


async def test_who_waits_for_what_is_under_way_is_not_charged_for_it() -> None:
    sky = Sky(burst=1, per_second=0.1)
    waiting = [sky.wait() for _ in range(10)]
    await settle()
    await sky.land()
    assert len(await asyncio.gather(*waiting)) == 10


async def test_attack_a_caller_that_asks_and_hangs_up() -> None:
    sky = Sky(each=2)
    for key in ("one", "two"):
        one = sky.wait(key)
        await settle()
        one.cancel()
    with pytest.raises(ConcurrencyLimitedError) as raised:
        await sky.wait("three")
    assert raised.value.retry_after
    sky.flights.ahead("four", AGENT, lambda: sky.fly("four"))
    others = sky.wait("five", OTHER)
    await settle()
    assert sky.begun == ["one", "two", "five"], "nobody else is kept from it"
    await sky.land()
    await others
    assert await sky.now("six") == "six 4"


async def test_what_is_asked_for_ahead_waits_for_nobody_and_happens_once(sky: Sky) -> None:
    for _ in range(3):
        sky.flights.ahead("crm", AGENT, lambda: sky.fly("crm"))
    await settle()
    assert sky.begun == ["crm"]
    waiting = sky.wait()
    await sky.land()
    assert await waiting == "crm 1"


async def test_what_failed_a_moment_ago_is_not_asked_for_ahead(sky: Sky) -> None:
    sky.flights.ahead("crm", AGENT, lambda: sky.fly("crm"))
    await settle()
    await sky.land(IssuerUnavailableError("away"))
    sky.flights.ahead("crm", AGENT, lambda: sky.fly("crm"))
    await settle()
    assert sky.begun == ["crm"]


async def test_the_end_of_governd_is_the_end_of_all(sky: Sky) -> None:
    waiting = sky.wait()
    await settle()
    await sky.flights.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
