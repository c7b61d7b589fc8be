"""Identities of workloads, kept with a real SPIRE: arriving, rotating, revoked, held, forgotten."""

import asyncio
import contextlib
import gc
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime

import pytest

from governd.adapters import spire_agent
from governd.adapters.spire_agent import SpireAgent
from governd.application.backoff import LONGEST_SECONDS
from governd.application.keep_identities import (
    HeldIdentity,
    IdentityKeeper,
    IdentityState,
    Phase,
)
from governd.errors import IdentityError, NoIdentityError
from governd.identity.secret import Secret
from governd.identity.svid import Selector, Workload, X509Svid
from governd.identity.verification import verify_svid
from tests.fakes.identity_observer import RecordingObserver
from tests.spire_parts import DELEGATE, Entry, Spire, StartSpire

WORKLOADS = 200
Keep = Callable[[Spire], Awaitable[IdentityKeeper]]


@pytest.fixture
async def keep() -> AsyncIterator[Keep]:
    """Keeps identities of a SPIRE."""
    begun: list[tuple[IdentityKeeper, SpireAgent]] = []

    async def begin(spire: Spire) -> IdentityKeeper:
        source = SpireAgent(spire.agent.admin_socket, spire.server.trust_domain)
        keeper = IdentityKeeper(
            source, clock=time.monotonic, wall_clock=time.time, observer=RecordingObserver()
        )
        keeper.start()
        begun.append((keeper, source))
        async with contextlib.aclosing(keeper.bundle_changes()) as changes:
            async for bundles in changes:
                if bundles.x509:
                    break
        return keeper

    yield begin
    for keeper, source in begun:
        await keeper.close()
        await source.close()


def pod(name: str) -> Workload:
    return Workload(name, (Selector("k8s", "ns:shop"), Selector("k8s", f"sa:{name}")))


def entry(name: str, ttl: int = 0) -> Entry:
    return Entry(f"/ns/shop/sa/{name}", ("k8s:ns:shop", f"k8s:sa:{name}"), ttl=ttl)


async def until(
    held: HeldIdentity, fits: Callable[[IdentityState], object], seconds: float = 60
) -> IdentityState:
    """The next state that fits."""
    async with asyncio.timeout(seconds), contextlib.aclosing(held.changes()) as changes:
        async for state in changes:
            if fits(state):
                return state
    raise AssertionError


def is_ready(state: IdentityState) -> bool:
    return state.phase is Phase.READY


def is_waiting(state: IdentityState) -> bool:
    return state.phase is Phase.WAITING


@pytest.mark.req("sa-3", part=True)
async def test_an_unregistered_workload_waits_until_it_is_registered(
    spire: Spire, keep: Keep
) -> None:
    held = (await keep(spire)).open(pod("late"))
    state = await until(held, lambda it: "no registration entry" in it.reason)
    assert state.phase is Phase.WAITING
    spire.server.create(entry("late"))
    state = await until(held, is_ready)
    assert [str(svid.spiffe_id) for svid in state.svids] == ["spiffe://example.org/ns/shop/sa/late"]


@pytest.mark.req("sa-4", part=True)
async def test_the_selectors_of_one_workload_give_nothing_to_another(
    spire: Spire, keep: Keep
) -> None:
    keeper = await keep(spire)
    spire.server.create(entry("one"), entry("two"))
    one, two = keeper.open(pod("one")), keeper.open(pod("two"))
    states = [await until(held, is_ready) for held in (one, two)]
    assert [svid.spiffe_id.path for state in states for svid in state.svids] == [
        "/ns/shop/sa/one",
        "/ns/shop/sa/two",
    ]


async def test_an_identity_goes_with_its_entry(spire: Spire, keep: Keep) -> None:
    """How soon is for the bench to say."""
    held = (await keep(spire)).open(pod("gone"))
    ids = spire.server.create(entry("gone"))
    await until(held, is_ready)
    spire.server.delete(*ids)
    state = await until(held, is_waiting)
    assert (state.svids, state.reason) == ((), "no registration entry matches")
    with pytest.raises(NoIdentityError):
        await held.jwt_svids(["bank"])


@pytest.mark.req("sa-6", part=True)
@pytest.mark.req("sa-7", part=True)
async def test_while_the_agent_is_away_identities_are_held_to_their_end_and_come_back_with_it(
    start_spire: StartSpire, keep: Keep
) -> None:
    spire = start_spire(entries=[entry("long"), entry("short", ttl=5)])
    keeper = await keep(spire)
    long, short = keeper.open(pod("long")), keeper.open(pod("short"))
    before = await until(long, is_ready)
    await until(short, is_ready)
    spire.agent.kill()
    for held in (long, short):
        state = await until(held, lambda it: "SPIRE agent is away" in it.reason)
        assert state.phase is Phase.READY
    ended = await until(short, is_waiting)
    assert ended.svids == ()
    assert "SPIRE agent is away" in ended.reason
    assert long.state.svids == before.svids
    assert "SPIRE agent is away" in keeper.problem
    with pytest.raises(IdentityError, match="is away"):
        await long.jwt_svids(["bank"])
    spire.agent.start()
    await until(short, lambda it: is_ready(it) and not it.reason)
    after = await until(long, lambda it: it.svids != before.svids and not it.reason)
    peer = verify_svid(after.svids[0].chain, keeper.bundles.x509, datetime.now(UTC))
    assert peer.spiffe_id == after.svids[0].spiffe_id
    assert await long.jwt_svids(["bank"])
    async with asyncio.timeout(LONGEST_SECONDS + 1):  # the trust bundles' wait is their own
        while keeper.problem:  # noqa: ASYNC110 - a state that nobody tells
            await asyncio.sleep(0.05)


@pytest.mark.req("avail-1", part=True)
async def test_an_agent_that_hangs_shows_as_away_and_takes_nothing_with_it(
    start_spire: StartSpire, keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spire_agent, "QUIET_SECONDS", 0.2)
    monkeypatch.setattr(spire_agent, "ANSWER_SECONDS", 2)
    spire = start_spire(entries=[entry("web")])
    keeper = await keep(spire)
    held = keeper.open(pod("web"))
    before = await until(held, is_ready)
    spire.agent.signal(signal.SIGSTOP)
    try:
        state = await until(held, lambda it: "does not answer" in it.reason)
        assert (state.phase, state.svids) == (Phase.READY, before.svids)
        assert "SPIRE agent is away" in keeper.problem
        newcomer = keeper.open(pod("new"))
        assert (await until(newcomer, lambda it: "away" in it.reason)).phase is Phase.WAITING
    finally:
        spire.agent.signal(signal.SIGCONT)
    await until(held, lambda it: is_ready(it) and not it.reason)
    await until(newcomer, lambda it: it.reason == "no registration entry matches")
    async with asyncio.timeout(60):
        while keeper.problem:  # noqa: ASYNC110 - a state that nobody tells
            await asyncio.sleep(0.05)


async def test_an_agent_that_no_longer_takes_governd_for_a_delegate_takes_all_back(
    start_spire: StartSpire, keep: Keep
) -> None:
    spire = start_spire(entries=[entry("web")])
    held = (await keep(spire)).open(pod("web"))
    await until(held, is_ready)
    spire.server.delete(*spire.server.ids_of(DELEGATE))
    spire.agent.kill()
    spire.agent.start()
    state = await until(held, is_waiting)
    assert state.svids == ()
    assert state.reason == "no registration entry matches governd itself"


async def test_nothing_is_left_in_memory_when_workloads_are_gone(spire: Spire, keep: Keep) -> None:
    keeper = await keep(spire)
    spire.server.create(entry("brief", ttl=4))
    helds = [keeper.open(pod("brief")) for _ in range(3)]
    for held in helds:
        first = await until(held, is_ready)
        await until(held, lambda it, old=first.svids: it.svids != old)  # type: ignore[misc]
        assert await held.jwt_svids(["bank"])
    del first, held
    assert secrets()
    for one in helds:
        one.close()
    await asyncio.wait([one.task for one in helds], timeout=5)
    assert not secrets()


def secrets() -> list[object]:
    """What can be found of SVIDs in memory."""
    gc.collect()
    found: list[object] = [it for it in gc.get_objects() if isinstance(it, X509Svid)]
    return found + [
        it for holder in found for it in gc.get_referents(holder) if isinstance(it, Secret)
    ]


@pytest.mark.req("sa-3", part=True)
@pytest.mark.req("avail-1", part=True)
async def test_a_new_workload_needs_nobody_but_the_agent(
    start_spire: StartSpire, keep: Keep
) -> None:
    """What the agent has already is there without SPIRE's server; how soon, the bench says."""
    names = [f"w{number}" for number in range(WORKLOADS)]
    spire = start_spire(entries=[entry(name) for name in names])
    keeper = await keep(spire)
    await synced(keeper, names)
    spire.server.kill()
    helds = [keeper.open(pod(name)) for name in names]
    states = await asyncio.gather(*(until(held, is_ready) for held in helds))
    assert [state.svids[0].spiffe_id.path for state in states] == [
        f"/ns/shop/sa/{name}" for name in names
    ]


async def synced(keeper: IdentityKeeper, names: Sequence[str]) -> None:
    """Returns when the agent has a certificate for each."""
    for name in names:
        held = keeper.open(pod(name))
        await until(held, is_ready)
        held.close()
