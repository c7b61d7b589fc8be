"""An issuer is asked as seldom as may be, its keys are as new as must be, and no older."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from governd.application.issuer_keys import IssuerKeyKeeper
from governd.application.renewing import Times
from governd.delegation.evidence_faults import EvidenceUnavailableError
from governd.delegation.issuer_key_set import IssuerKeySet
from governd.policy.trusted import Issuer
from tests.fakes.issuer_keys import FakeKeySource
from tests.fakes.time import FakeTime, settle
from tests.fakes.user_issuer import UserIssuer

pytestmark = pytest.mark.req("gi-3", part=True)

ONE, NEXT = UserIssuer(key_id="one"), UserIssuer(key_id="next")
TIMES = Times(refresh=300.0, max_staleness=3600.0, least=10.0)


class Keys:
    """A keeper over a fake source, and what was told of it."""

    def __init__(self) -> None:
        self.time = FakeTime()
        self.source = FakeKeySource(ONE.key_set())
        self.issuer = ONE.stated()
        self.named: list[Issuer] = [self.issuer]
        self.told: list[str] = []
        self.keeper = IssuerKeyKeeper(
            self.source,
            self,
            TIMES,
            issuers=lambda: self.named,
            clock=self.time.clock,
            sleep=self.time.sleep,
            spread=lambda: 0.0,
        )

    def fetched(self, name: str) -> None:
        self.told.append(f"{name} came")

    def failed(self, name: str, error: str) -> None:
        self.told.append(f"{name} {error}")

    async def get(self, key_id: str = "one") -> IssuerKeySet:
        return await self.keeper.keys(self.issuer, key_id)

    async def refused(self, key_id: str = "one") -> str:
        with pytest.raises(EvidenceUnavailableError) as raised:
            await self.get(key_id)
        assert raised.value.metadata == {"issuer": "corp"}
        assert raised.value.retry_after is not None
        assert 1 <= raised.value.retry_after <= TIMES.least
        return str(raised.value)

    @property
    def asked(self) -> int:
        return len(self.source.asked)


@pytest.fixture
async def keys() -> AsyncIterator[Keys]:
    made = Keys()
    yield made
    await made.keeper.close()


async def test_keys_that_policy_states_need_nobody(keys: Keys) -> None:
    stated = ONE.stated(jwks_uri=None, key=[ONE.jwk()])
    keys.issuer, keys.named = stated, [stated]
    assert "one" in await keys.get()
    assert "x" not in await keys.get("x")
    assert keys.asked == 0


async def test_however_many_wait_the_issuer_is_asked_once(keys: Keys) -> None:
    keys.source.held.clear()
    waiting = [asyncio.ensure_future(keys.get()) for _ in range(50)]
    await settle()
    keys.source.held.set()
    assert all("one" in found for found in await asyncio.gather(*waiting))
    assert keys.asked == 1
    assert keys.told == ["corp came"]


async def test_who_hangs_up_ends_it_for_nobody_else(keys: Keys) -> None:
    keys.source.held.clear()
    first, second = (asyncio.ensure_future(keys.get()) for _ in range(2))
    await settle()
    first.cancel()
    await settle()
    keys.source.held.set()
    assert "one" in await second
    assert keys.asked == 1


async def test_a_new_key_is_fetched_when_a_token_names_it(keys: Keys) -> None:
    await keys.get()
    keys.source.document = NEXT.key_set()
    await keys.time.advance(TIMES.least)
    assert "next" in await keys.get("next")
    assert keys.asked == 2


async def test_attack_unknown_key_ids_have_the_issuer_asked_again_and_again(keys: Keys) -> None:
    for number in range(100):
        assert f"x{number}" not in await keys.get(f"x{number}")
    assert keys.asked == 1
    await keys.time.advance(TIMES.least)
    await keys.get("x")
    assert keys.asked == 2


async def test_an_issuer_that_is_away_is_no_word_on_a_token(keys: Keys) -> None:
    keys.source.error = "answers 503"
    assert "cannot be had" in await keys.refused()
    assert "cannot be had" in await keys.refused()
    assert keys.asked == 1
    assert keys.told == ["corp answers 503"]


async def test_while_an_issuer_is_away_its_last_keys_stay_good_and_then_no_longer(
    keys: Keys,
) -> None:
    await keys.get()
    keys.source.error = "away"
    await keys.time.advance(TIMES.max_staleness - 1)
    assert "one" in await keys.get()
    assert "new keys" in await keys.refused("next")
    await keys.time.advance(1)
    assert "cannot be had" in await keys.refused()
    keys.source.error = ""
    await keys.time.advance(TIMES.least)
    assert "one" in await keys.get()


async def test_a_document_that_is_none_leaves_the_last_keys(keys: Keys) -> None:
    await keys.get()
    keys.source.document = b"<html>"
    await keys.time.advance(TIMES.least)
    await keys.refused("next")
    assert "one" in await keys.get()


async def test_an_issuer_that_withdraws_all_its_keys_has_none(keys: Keys) -> None:
    await keys.get()
    keys.source.document = b'{"keys": []}'
    await keys.time.advance(TIMES.least)
    assert len(await keys.get("next")) == 0
    assert "one" not in await keys.get()


async def test_keys_are_renewed_before_anybody_waits_for_them(keys: Keys) -> None:
    tending = asyncio.ensure_future(keys.keeper.tend())
    await keys.time.advance(0)
    assert keys.asked == 1
    await keys.time.advance(TIMES.refresh - 2)
    assert keys.asked == 1
    assert keys.keeper.oldest_seconds() == TIMES.refresh - 2
    await keys.time.advance(3)
    assert keys.asked == 2
    assert keys.keeper.oldest_seconds() < 3
    tending.cancel()


@pytest.mark.req("r-3", part=True)
async def test_attack_a_key_that_the_issuer_has_withdrawn(keys: Keys) -> None:
    """Somebody has the old key: their tokens name it, and never one that is not known."""
    tending = asyncio.ensure_future(keys.keeper.tend())
    await keys.time.advance(0)
    assert "one" in await keys.get("one")
    keys.source.document = NEXT.key_set()
    await keys.time.advance(TIMES.refresh + 1)
    assert "one" not in await keys.get("one")
    assert "next" in await keys.get("next")
    tending.cancel()


async def test_one_that_is_away_is_asked_less_and_less_often(keys: Keys) -> None:
    keys.source.error = "away"
    tending = asyncio.ensure_future(keys.keeper.tend())
    await keys.time.advance(9)
    assert keys.asked == 1
    await keys.time.advance(600)
    assert 5 <= keys.asked <= 8
    tending.cancel()


async def test_no_issuer_waits_for_another(keys: Keys) -> None:
    keys.source.held.clear()
    waiting = asyncio.ensure_future(keys.get())
    other = UserIssuer(key_id="other")
    stated = other.stated(issuer="https://b.example", jwks_uri=None, key=[other.jwk()])
    assert "other" in await keys.keeper.keys(stated, "other")
    assert not waiting.done()
    waiting.cancel()


async def test_what_policy_names_no_more_is_forgotten(keys: Keys) -> None:
    tending = asyncio.ensure_future(keys.keeper.tend())
    await keys.time.advance(1)
    assert keys.keeper.oldest_seconds() > 0
    keys.named = []
    await keys.time.advance(1)
    assert keys.keeper.oldest_seconds() == 0
    tending.cancel()


async def test_attack_keys_of_an_address_that_policy_has_replaced(keys: Keys) -> None:
    await keys.get()
    keys.issuer = ONE.stated(jwks_uri="https://idp.example/other")
    keys.source.document = NEXT.key_set()
    assert "one" not in await keys.get("next")
    assert keys.source.asked == ["https://idp.example/keys", "https://idp.example/other"]


async def test_closing_ends_attempts_that_are_under_way(keys: Keys) -> None:
    keys.source.held.clear()
    waiting = asyncio.ensure_future(keys.get())
    await settle()
    await keys.keeper.close()
    with pytest.raises(EvidenceUnavailableError):
        await waiting
