"""Tokens are asked for anew before they end, kept while they count, and gone after that."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from governd.errors import IssuerUnavailableError, MintError, NoIdentityError
from tests.fakes.authorization_server_http import Request
from tests.fakes.getting_tokens import Getting
from tests.fakes.time import settle
from tests.fakes.upstreams import CORP, PLANNER, ROUTER

pytestmark = pytest.mark.req("avail-3", part=True)

LIFE = 300
"""Seconds, of the fake server's tokens."""


@pytest.fixture
async def node() -> AsyncIterator[Getting]:
    made = await Getting().open()
    yield made
    await made.close()


async def test_a_token_that_is_used_is_renewed_ahead_and_nobody_waits(node: Getting) -> None:
    login = node.login()
    first = await node.get("crm", login)
    await node.time.advance(0.69 * LIFE)
    await node.get("crm", login)
    await settle()
    assert node.asked == {"token-exchange": 1}
    await node.time.advance(0.02 * LIFE)
    node.corp.held.clear()
    for _ in range(3):
        assert (await node.get("crm", login)).token == first.token
    await settle()
    node.corp.held.set()
    await settle()
    assert node.asked == {"token-exchange": 2}
    second = await node.get("crm", login)
    assert second.token != first.token
    assert second.ends > first.ends
    assert [one["kind"] for one in node.records].count("token") == 2


async def test_one_that_is_not_used_is_not(node: Getting) -> None:
    await node.get("crm", node.login())
    await node.time.advance(LIFE - 1)
    assert node.asked == {"token-exchange": 1}


async def test_while_renewing_fails_the_held_one_counts_to_its_end(node: Getting) -> None:
    login = node.login()
    first = await node.get("crm", login)
    node.wire.away.add(CORP)
    for _ in range(3):
        await node.time.advance(0.3 * LIFE)
        assert (await node.get("crm", login)).token == first.token
    await settle()
    assert "crm not issued: IssuerUnavailableError" in node.told
    await node.time.advance(0.1 * LIFE)
    with pytest.raises(IssuerUnavailableError):
        await node.get("crm", login)


async def test_one_that_ends_with_its_evidence_is_not_asked_for_anew_in_vain(
    node: Getting,
) -> None:
    login = node.login(exp=int(node.time.wall) + 100)
    await node.get("crm", login)
    await node.time.advance(90)
    await node.get("crm", login)
    await settle()
    assert node.asked == {"token-exchange": 1}


async def test_what_has_ended_is_forgotten_although_nobody_asks(node: Getting) -> None:
    await node.get("crm", node.login())
    await node.time.advance(LIFE - 2)
    await node.look()
    assert (len(node.supply), node.held) == (1, 1)
    await node.look()
    assert (len(node.supply), node.held) == (0, 0)


async def test_what_comes_after_it_was_revoked_is_not_kept(node: Getting) -> None:
    node.corp.held.clear()
    asking = asyncio.ensure_future(node.get("crm", node.login()))
    await settle()
    await node.revoke(PLANNER)
    node.corp.held.set()
    with pytest.raises(MintError):
        await asking
    assert len(node.supply) == 0


async def test_attack_an_identity_that_is_taken_away_while_the_server_is_asked(
    node: Getting,
) -> None:
    node.corp.held.clear()
    asking = asyncio.ensure_future(node.get("crm", node.login()))
    await settle()
    node.identities.unregister(PLANNER.removeprefix("spiffe://example.org"))
    await settle()
    node.corp.held.set()
    with pytest.raises(NoIdentityError):
        await asking
    assert len(node.supply) == 0


async def test_tokens_are_listed_by_upstream_and_caller_with_their_uses(node: Getting) -> None:
    login = node.login()
    for upstream, agent, uses in (("files", PLANNER, 1), ("crm", ROUTER, 2), ("crm", PLANNER, 3)):
        for _ in range(uses):
            await node.get(upstream, login, agent=agent)
    listed = [(one.key.upstream, str(one.key.caller), one.uses) for one in node.supply]
    assert listed == [("crm", PLANNER, 3), ("crm", ROUTER, 2), ("files", PLANNER, 1)]


async def test_the_end_of_governd_is_the_end_of_its_tokens(node: Getting) -> None:
    await node.get("crm", node.login())
    node.corp.held.clear()
    asking = asyncio.ensure_future(node.get("files", node.login()))
    await settle()
    await node.supply.close()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert len(node.supply) == 0


async def test_governds_own_token_goes_on_while_renewing_it_fails(node: Getting) -> None:
    await node.get("own", node.login())
    await node.time.advance(0.75 * LIFE)
    whole = node.corp.handle

    async def busy(request: Request) -> bytes:
        if b"client_credentials" in request.body:
            return b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n"
        return await whole(request)

    node.corp.handle = busy  # type: ignore[method-assign]  # a server of tests
    assert await node.get("own", node.login("carol"))
    await settle()
    await node.time.advance(0.25 * LIFE)
    with pytest.raises(IssuerUnavailableError):
        await node.get("own", node.login("dora"))
