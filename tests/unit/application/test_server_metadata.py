"""What a server says of itself is asked for seldom, believed for a day, and only of itself."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from governd.application.issuer_ports import IssuerAwayError, NoAnswerError
from governd.application.renewing import Times
from governd.application.server_metadata import TIMES, MetadataKeeper
from governd.errors import IssuerUnavailableError, TokenRefusedError
from governd.policy.authorization_servers import AuthorizationServer
from tests.fakes.time import FakeTime, settle
from tests.fakes.token_endpoint import AWAY, FakeTokenEndpoint, described

pytestmark = pytest.mark.req("avail-3", part=True)

ISSUER = "https://login.example/realms/a"
PLACES = [
    "https://login.example/.well-known/oauth-authorization-server/realms/a",
    "https://login.example/.well-known/openid-configuration/realms/a",
    "https://login.example/realms/a/.well-known/openid-configuration",
]
STATED = "https://other.example/token"
SECONDS = 10.0
SOON = Times(refresh=60.0, max_staleness=600.0)
"""So that time passes faster than a day."""


def server(**changes: object) -> AuthorizationServer:
    whole = {"name": "corp", "issuer": ISSUER, "client_authentication": "jwt-spiffe"}
    return AuthorizationServer.model_validate({**whole, **changes})


class Servers:
    """A keeper over a fake endpoint, and what was told of it."""

    def __init__(self) -> None:
        self.time = FakeTime()
        self.endpoint = FakeTokenEndpoint(self.time)
        self.endpoint.documents[PLACES[0]] = described(ISSUER)
        self.named = [server()]
        self.told: list[str] = []
        self.keeper = MetadataKeeper(
            self.endpoint,
            self,
            servers=lambda: self.named,
            seconds=SECONDS,
            clock=self.time.clock,
            sleep=self.time.sleep,
            spread=lambda: 0.0,
            times=SOON,
        )

    def described(self, name: str) -> None:
        self.told.append(f"{name} came")

    def not_described(self, name: str, error: str) -> None:
        self.told.append(f"{name}: {error}")

    @property
    def asked(self) -> int:
        return len(self.endpoint.fetched)

    async def get(self) -> str:
        return await self.keeper.token_endpoint(server())

    async def away(self) -> str:
        with pytest.raises(IssuerUnavailableError) as raised:
            await self.get()
        assert raised.value.metadata == {"authorization_server": "corp"}
        assert raised.value.retry_after is not None
        assert 1 <= raised.value.retry_after <= SOON.least
        return str(raised.value)

    async def refused(self) -> str:
        with pytest.raises(TokenRefusedError) as raised:
            await self.get()
        facts = {"rule": "metadata", "authorization_server": "corp"}
        assert raised.value.metadata == facts
        return str(raised.value)


@pytest.fixture
async def servers() -> AsyncIterator[Servers]:
    made = Servers()
    yield made
    await made.keeper.close()


async def test_a_server_says_where_its_token_endpoint_is(servers: Servers) -> None:
    assert await servers.get() == f"{ISSUER}/token"
    assert await servers.get() == f"{ISSUER}/token"
    assert servers.endpoint.fetched == PLACES[:1]
    assert servers.told == ["corp came"]


async def test_what_policy_states_needs_nobody(servers: Servers) -> None:
    servers.named = [server(token_endpoint=STATED)]
    tending = asyncio.ensure_future(servers.keeper.tend())
    await servers.time.advance(SOON.max_staleness)
    assert await servers.keeper.token_endpoint(servers.named[0]) == STATED
    assert servers.asked == 0
    tending.cancel()


@pytest.mark.parametrize("place", [1, 2])
async def test_it_may_be_in_any_of_three_places(servers: Servers, place: int) -> None:
    servers.endpoint.documents = {PLACES[place]: described(ISSUER)}
    assert await servers.get() == f"{ISSUER}/token"
    assert servers.endpoint.fetched == PLACES[: place + 1]


async def test_attack_metadata_of_another_issuer(servers: Servers) -> None:
    servers.endpoint.documents[PLACES[0]] = described("https://login.example/realms/b")
    assert "another one" in await servers.refused()
    assert servers.asked == 3, "another place may have the right one"
    servers.endpoint.documents[PLACES[1]] = described(ISSUER)
    await servers.time.advance(SOON.least)
    assert await servers.get() == f"{ISSUER}/token"


async def test_attack_a_token_endpoint_on_another_host(servers: Servers) -> None:
    document = described(ISSUER, token_endpoint="https://evil.example/token")
    servers.endpoint.documents[PLACES[0]] = document
    assert "another host" in await servers.refused()
    stated = server(token_endpoint=STATED)
    assert await servers.keeper.token_endpoint(stated) == STATED


async def test_a_server_that_says_nothing_needs_a_stated_endpoint(servers: Servers) -> None:
    servers.endpoint.documents.clear()
    assert "state token_endpoint" in await servers.refused()


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_server_that_fails_is_not_asked_elsewhere(servers: Servers, status: int) -> None:
    servers.endpoint.documents[PLACES[0]] = NoAnswerError(f"answers {status}", status)
    await servers.away()
    assert servers.asked == 1


async def test_all_places_together_have_one_time(servers: Servers) -> None:
    del servers.endpoint.documents[PLACES[0]]
    servers.endpoint.takes = 6.0
    asking = asyncio.ensure_future(servers.away())
    await servers.time.advance(SECONDS)
    await asking
    assert servers.endpoint.fetched == PLACES[:2]
    assert servers.told == ["corp: does not answer within 4 s"]


async def test_no_place_is_asked_when_the_time_is_over(servers: Servers) -> None:
    servers.endpoint.documents = {PLACES[0]: b"{}", PLACES[1]: described(ISSUER)}
    servers.endpoint.takes = SECONDS
    asking = asyncio.ensure_future(servers.refused())
    await servers.time.advance(SECONDS)
    assert "issuer" in await asking
    servers.endpoint.documents = {}
    await servers.time.advance(SOON.least)
    asking_again = asyncio.ensure_future(servers.away())
    await servers.time.advance(SECONDS)
    await asking_again
    assert servers.endpoint.fetched == [PLACES[0]] * 2
    assert "the time is over" in servers.told[-1]


async def test_one_that_is_away_is_asked_every_ten_seconds_at_most(servers: Servers) -> None:
    servers.endpoint.documents[PLACES[0]] = AWAY
    for _ in range(20):
        assert "cannot be had" in await servers.away()
    assert servers.asked == 1
    await servers.time.advance(SOON.least)
    servers.endpoint.documents[PLACES[0]] = described(ISSUER)
    assert await servers.get() == f"{ISSUER}/token"


@pytest.mark.parametrize("problem", [AWAY, b"<html>", described("https://evil.example")])
async def test_the_last_one_stays_good_for_a_while_and_no_longer(
    servers: Servers, problem: bytes | IssuerAwayError
) -> None:
    await servers.get()
    tending = asyncio.ensure_future(servers.keeper.tend())
    servers.endpoint.documents = dict.fromkeys(PLACES, problem)
    await servers.time.advance(SOON.max_staleness - 1)
    assert await servers.get() == f"{ISSUER}/token"
    await servers.time.advance(1)
    with pytest.raises((IssuerUnavailableError, TokenRefusedError)):
        await servers.get()
    tending.cancel()


def test_a_while_is_a_day() -> None:
    assert Times(refresh=3600.0, max_staleness=86_400.0, least=10.0) == TIMES


async def test_it_is_renewed_before_anybody_waits(servers: Servers) -> None:
    tending = asyncio.ensure_future(servers.keeper.tend())
    await servers.time.advance(1)
    assert servers.asked == 1
    servers.endpoint.documents[PLACES[0]] = described(ISSUER, token_endpoint=f"{ISSUER}/new")
    await servers.time.advance(SOON.refresh)
    assert servers.asked == 2
    assert await servers.get() == f"{ISSUER}/new"
    tending.cancel()


async def test_however_many_wait_it_is_asked_once_and_who_hangs_up_ends_nothing(
    servers: Servers,
) -> None:
    servers.endpoint.takes = 5.0
    waiting = [asyncio.ensure_future(servers.get()) for _ in range(50)]
    await settle()
    waiting[0].cancel()
    await servers.time.advance(5)
    found = await asyncio.gather(*waiting[1:])
    assert set(found) == {f"{ISSUER}/token"}
    assert servers.asked == 1


async def test_attack_metadata_of_an_issuer_that_policy_has_replaced(servers: Servers) -> None:
    await servers.get()
    other = "https://login.example/realms/b"
    place = PLACES[0].replace("/a", "/b")
    servers.endpoint.documents[place] = described(other)
    assert await servers.keeper.token_endpoint(server(issuer=other)) == f"{other}/token"


async def test_an_error_is_new_each_time(servers: Servers) -> None:
    servers.endpoint.documents.clear()
    raised = []
    for _ in range(2):
        with pytest.raises(TokenRefusedError) as one:
            await servers.get()
        raised.append(one.value)
    assert raised[0] is not raised[1], "one that is raised again grows"
