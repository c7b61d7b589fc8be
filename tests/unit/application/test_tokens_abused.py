"""What one agent, one server or one operator does costs nobody else a token, nor shows one."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import combinations

import pytest

from governd.application import check_upstream
from governd.application.evidence import Shown
from governd.application.get_token import Handed
from governd.application.issue_token import TokenIssuance
from governd.application.issuer_pauses import MOST_BUSY_SECONDS
from governd.application.token_flights import FlightLimits, Flights
from governd.application.token_order import Order
from governd.errors import (
    IssuerUnavailableError,
    RateLimitedError,
    TokenRefusedError,
    UpstreamUnknownError,
)
from governd.identity import SpiffeId
from governd.identity.secret import Secret
from governd.identity.user import User
from governd.policy.delegated import Delegation, EvidenceKind
from governd.tokens.check import AccessToken
from tests.fakes.authorization_server import error
from tests.fakes.getting_tokens import Getting
from tests.fakes.time import FakeTime, settle
from tests.fakes.upstreams import GOVERND, IDP, PERMIT, PLANNER, ROUTER, SERVERS, UPSTREAMS

pytestmark = pytest.mark.req("avail-3", part=True)

SCOPES = tuple(f"s{number}" for number in range(12))
SUBSETS = list(combinations(SCOPES, 3))
_LISTED = ", ".join(f'"{scope}"' for scope in SCOPES)
WIDE = (
    '[[upstream]]\nname = "wide"\nresource = "https://wide.example/mcp"\n'
    f'authorization_server = "corp"\ngrant = "client-credentials"\nscopes = [{_LISTED}]\n'
)
USERS, AT_ONCE, ENTRIES = 10_000, 100, 100
"""Users; how many ask at a time; and how many tokens the fake node holds at most."""


@pytest.fixture
async def node() -> AsyncIterator[Getting]:
    """With an upstream that gives the planner more different tokens than are held."""
    made = await Getting(PERMIT, SERVERS + UPSTREAMS + WIDE).open()
    known = made.corp.trust.clients[GOVERND]
    made.corp.trust.clients[GOVERND] = replace(known, scopes=known.scopes | {*SCOPES})
    yield made
    await made.close()


async def patiently(node: Getting, *scopes: str) -> Handed:
    """A token for some scopes, when there is one."""
    while True:
        with contextlib.suppress(RateLimitedError):
            return await node.get("wide", None, *scopes)
        await node.time.advance(1)


async def test_attack_one_agent_asks_a_server_for_every_subset_of_its_scopes(
    node: Getting,
) -> None:
    most = FlightLimits().burst
    for scopes in SUBSETS[:most]:
        await node.get("wide", None, *scopes)
    with pytest.raises(RateLimitedError) as raised:
        await node.get("wide", None, *SUBSETS[most])
    assert raised.value.retry_after
    assert node.asked == {"client-credentials": most}
    assert await node.get("crm", node.login(), agent=ROUTER), "nobody else is kept from it"


async def test_attack_one_agent_drives_the_tokens_of_others_out(node: Getting) -> None:
    login = node.login()
    first = await node.get("crm", login, agent=ROUTER)
    for scopes in SUBSETS[: ENTRIES + 50]:
        await patiently(node, *scopes)
    assert node.asked == {"client-credentials": ENTRIES + 50, "token-exchange": 1}
    assert len(node.supply) == ENTRIES
    assert (await node.get("crm", login, agent=ROUTER)).token == first.token


async def test_attack_the_429_of_one_agent_shuts_the_server_for_all(node: Getting) -> None:
    login = node.login()
    node.corp.answer = error("429 Too Many Requests", retry_after="86400")
    with pytest.raises(IssuerUnavailableError):
        await node.get("jobs")
    node.corp.answer = None
    with pytest.raises(IssuerUnavailableError) as raised:
        await node.get("crm", login, agent=ROUTER)
    assert raised.value.retry_after == MOST_BUSY_SECONDS
    assert node.asked == {"client-credentials": 1}
    await node.time.advance(MOST_BUSY_SECONDS)
    assert await node.get("crm", login, agent=ROUTER)


async def test_an_upstream_that_is_gone_when_its_token_comes(node: Getting) -> None:
    node.corp.held.clear()
    asking = asyncio.ensure_future(node.get("crm", node.login()))
    await settle()
    assert node.corp.forms
    await node.rewrite(**{'name = "crm"': 'name = "gone"'})
    node.corp.held.set()
    with pytest.raises(UpstreamUnknownError):
        await asking
    assert len(node.supply) == 0


async def test_a_check_of_a_server_that_hangs_says_so(
    node: Getting, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert all(step.ok for step in await node.checker.check("crm"))
    node.corp.held.clear()
    monkeypatch.setattr(check_upstream, "SECONDS", 0.0)
    last = (await node.checker.check("crm"))[-1]
    assert len(node.corp.forms) == 2, "it was asked"
    assert (last.server, last.ok) == ("corp", False)
    assert "does not answer" in last.detail


def acting(node: Getting, user: str, agent: str) -> Shown:
    """With what an agent shows that it acts for a user."""
    actors, kinds = (SpiffeId.parse(agent),), frozenset({EvidenceKind.ACTING_AS})
    scopes, ends = frozenset({"token:exchange:hr/*"}), node.time.wall + 120
    node.received[user] = Delegation(User(IDP, user), actors, kinds, ends, scopes)
    return Shown(EvidenceKind.ACTING_AS, Secret(user.encode()))


async def issue(_: TokenIssuance, order: Order) -> AccessToken:
    """A token that says whose it is; another call may come in between."""
    await asyncio.sleep(0)
    assert order.user is not None
    token = Secret(f"{order.user.subject} {order.agent}".encode())
    return AccessToken(token, "AAAA", order.asked.evidence_ends[0], order.scopes, "", "")


@pytest.mark.req("c-3", part=True)
async def test_ten_thousand_users_take_bounded_room_and_get_each_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All is real but the server: what it signs would be most of what this takes."""
    monkeypatch.setattr(TokenIssuance, "issue", issue)
    node = await Getting(burst=USERS).open()
    for first in range(0, USERS, AT_ONCE):
        agent = (PLANNER, ROUTER)[first // AT_ONCE % 2]
        users = [f"user-{number}" for number in range(first, first + AT_ONCE)] * 2
        asking = (node.get("hr", acting(node, user, agent), agent=agent) for user in users)
        got = [one.token.reveal().decode() for one in await asyncio.gather(*asking)]
        assert got == [f"{user} {agent}" for user in users]
        assert len(node.supply) <= ENTRIES
    assert node.told.count("hr issued") == USERS, "whoever asks twice gets the same"
    assert len(node.supply) == ENTRIES
    await node.close()


async def test_ten_thousand_callers_that_fail_take_bounded_room() -> None:
    flights: Flights[str, str] = Flights(FlightLimits(), clock=FakeTime().clock)

    async def fly() -> str:
        message = "no"
        raise TokenRefusedError(message)

    for number in range(USERS):
        with pytest.raises(TokenRefusedError):
            await flights.join(f"key-{number}", f"caller-{number}", fly)
    assert len(flights) == len(flights._each) == 0
    assert len(flights._failed) == FlightLimits().kept < USERS
    assert len(flights._allowances) < USERS
