"""A workload sees its identities and the bundles that go with them, whole, and no others."""

import asyncio
import contextlib
import gc
import weakref
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from governd.application.keep_identities import HeldIdentity
from governd.application.workload_view import (
    See,
    View,
    WorkloadViews,
    jwt_bundles,
    view,
    x509_bundles,
)
from governd.errors import (
    IdentityError,
    InvalidIdentityError,
    NoIdentityError,
    NotDelegateError,
    SourceAwayError,
)
from governd.identity.svid import TrustBundles
from tests.fakes.identity_source import FakeIdentitySource
from tests.fakes.time import settle
from tests.fakes.workloads import SHOP, FakeWorkload

AWAY = SourceAwayError("SPIRE agent is away")
Seen = tuple[list[str], list[str]]


def see(seen: View) -> Seen:
    """IDs and X.509 trust domains."""
    return [str(svid.spiffe_id) for svid in seen.svids], list(x509_bundles(seen))


def web(source: FakeIdentitySource) -> None:
    source.register("/web", SHOP)


@pytest.fixture
async def workload() -> AsyncIterator[FakeWorkload]:
    workload = FakeWorkload(before=web)
    await workload.open()
    yield workload
    await workload.close()


def held(workload: FakeWorkload) -> HeldIdentity:
    assert workload.held is not None
    return workload.held


async def test_the_first_is_there_at_once(workload: FakeWorkload) -> None:
    found = await workload.views.first(held(workload), see)
    assert found == (["spiffe://example.org/web"], ["example.org"])


async def test_each_change_is_told_whole(workload: FakeWorkload) -> None:
    async with contextlib.aclosing(workload.views.follow(held(workload), see)) as seen:
        assert await anext(seen) == (["spiffe://example.org/web"], ["example.org"])
        workload.source.register("/api", SHOP, federates_with=["partner.example"])
        assert (await anext(seen))[0] == ["spiffe://example.org/web", "spiffe://example.org/api"]
        workload.source.federate("partner.example")
        assert (await anext(seen))[1] == ["example.org", "partner.example"]
        workload.source.unregister("/api")
        assert await anext(seen) == (["spiffe://example.org/web"], ["example.org"])


async def test_what_is_the_same_is_not_told_again(workload: FakeWorkload) -> None:
    async with contextlib.aclosing(workload.views.follow(held(workload), see)) as seen:
        await anext(seen)
        later = asyncio.ensure_future(anext(seen))
        workload.source.federate("stranger.example")
        await settle()
        await workload.breaks(AWAY)
        assert not later.done(), "the reason alone is another one"
        await workload.breaks(None)
        workload.source.register("/api", SHOP)
        await workload.time.advance(30)
        assert later.done()
        assert len(later.result()[0]) == 2


@pytest.mark.req("sa-2", part=True)
async def test_only_federated_domains_are_seen(workload: FakeWorkload) -> None:
    for domain in ("partner.example", "stranger.example"):
        workload.source.federate(domain)
    workload.source.register("/web", SHOP, federates_with=["partner.example", "gone.example"])
    await settle()
    assert (await workload.views.first(held(workload), see))[1] == [
        "example.org",
        "partner.example",
    ]


async def test_a_rotated_svid_is_told(workload: FakeWorkload) -> None:
    async with contextlib.aclosing(
        workload.views.follow(held(workload), lambda one: one.svids[0].chain)
    ) as chains:
        before = await anext(chains)
        workload.source.register("/web", SHOP)
        assert await anext(chains) != before


@pytest.mark.parametrize(
    "problem", [NotDelegateError("not a delegate"), InvalidIdentityError("does not parse")]
)
async def test_where_it_cannot_be_known_what_is_issued_a_retry_may_help(
    workload: FakeWorkload, problem: IdentityError
) -> None:
    await workload.breaks(problem)
    with pytest.raises(IdentityError, match=str(problem)) as raised:
        await workload.views.first(held(workload), see)
    assert not isinstance(raised.value, NoIdentityError)


async def test_revocation_ends_what_is_followed(workload: FakeWorkload) -> None:
    async with contextlib.aclosing(workload.views.follow(held(workload), see)) as seen:
        await anext(seen)
        workload.source.unregister("/web")
        with pytest.raises(NoIdentityError, match="no registration entry"):
            await anext(seen)


async def test_expiry_while_the_source_is_away_is_not_revocation(workload: FakeWorkload) -> None:
    async with contextlib.aclosing(workload.views.follow(held(workload), see)) as seen:
        await anext(seen)
        await workload.breaks(AWAY)
        later = asyncio.ensure_future(anext(seen))
        await workload.time.advance(59)
        assert not later.done(), "what was issued stays good to its end"
        await workload.time.advance(2)
        assert later.done()
        with pytest.raises(SourceAwayError, match="expired"):
            later.result()


async def test_the_end_of_a_workload_ends_what_it_follows(workload: FakeWorkload) -> None:
    async with contextlib.aclosing(workload.views.follow(held(workload), see)) as seen:
        await anext(seen)
        held(workload).close()
        with pytest.raises(NoIdentityError, match="gone"):
            await anext(seen)


async def test_who_asks_before_the_identity_has_come_waits_a_moment() -> None:
    workload = FakeWorkload()
    views = WorkloadViews(workload.keeper, patience_seconds=60)
    first = asyncio.ensure_future(views.first(await workload.open(), see))
    await settle()
    assert not first.done()
    workload.source.register("/web", SHOP)
    assert (await first)[0] == ["spiffe://example.org/web"]
    await workload.close()


async def test_nobody_waits_longer(workload: FakeWorkload) -> None:
    workload.source.unregister("/web")
    await settle()
    with pytest.raises(NoIdentityError):
        await workload.views.first(held(workload), see)


@pytest.mark.parametrize("see_bundles", [x509_bundles, jwt_bundles])
async def test_an_identity_without_its_own_trust_bundle_is_not_told(
    workload: FakeWorkload, see_bundles: See[object]
) -> None:
    only_other = TrustBundles({"other.example": (b"",)}, {"other.example": b"{}"})
    seen = view(held(workload).state, only_other)
    with pytest.raises(SourceAwayError, match="trust bundle of example"):
        see_bundles(seen)


async def test_nothing_is_left_of_what_nobody_follows(workload: FakeWorkload) -> None:
    tasks = len(asyncio.all_tasks())
    for _ in range(3):
        async with contextlib.aclosing(workload.views.follow(held(workload), see)) as seen:
            await anext(seen)
    abandoned = workload.views.follow(held(workload), see)
    later = asyncio.ensure_future(anext(abandoned))
    await settle()
    later.cancel()
    del abandoned, later
    gc.collect()
    await settle()
    assert len(asyncio.all_tasks()) == tasks


@pytest.mark.req("r-2", part=True)
async def test_no_key_is_kept_of_a_workload_that_is_gone(workload: FakeWorkload) -> None:
    async with contextlib.aclosing(
        workload.views.follow(held(workload), lambda one: one.svids)
    ) as seen:
        (svid,) = await anext(seen)
        kept: list[weakref.ref[Any]] = [weakref.ref(svid), weakref.ref(svid.key)]
        del svid
        held(workload).close()
        with pytest.raises(NoIdentityError):
            await anext(seen)
    await settle()
    gc.collect()
    assert [one() for one in kept] == [None, None]


async def test_a_short_lived_identity_is_dropped_at_its_end(workload: FakeWorkload) -> None:
    workload.source.register("/web", SHOP, lifetime=timedelta(seconds=5))
    await settle()
    await workload.time.advance(6)
    with pytest.raises(SourceAwayError, match="expired"):
        await workload.views.first(held(workload), see)
