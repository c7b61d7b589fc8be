"""Identities are held while their source says so, to their end, and not after the workload."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from governd.application.keep_identities import (
    HeldIdentity,
    IdentityKeeper,
    IdentityState,
    Phase,
)
from governd.errors import (
    IdentityError,
    InvalidIdentityError,
    NoIdentityError,
    NotDelegateError,
    NotRegisteredError,
    SourceAwayError,
)
from governd.identity import SpiffeId
from governd.identity.secret import Secret
from governd.identity.svid import Selector, TrustBundles, Workload, X509Svid
from tests.fakes.identity_observer import RecordingObserver
from tests.fakes.identity_source import FakeIdentitySource
from tests.fakes.time import FakeTime, settle

SHOP = Selector("k8s", "ns:shop")
POD = Workload("pod", (SHOP, Selector("k8s", "sa:web")))
AWAY = SourceAwayError("SPIRE agent is away: there is no socket")


class Kept:
    """A keeper over a fake source, in a time that tests move."""

    def __init__(self) -> None:
        self.time = FakeTime()
        self.source = FakeIdentitySource(self.time.wall_clock)
        self.observer = RecordingObserver()
        self.keeper = IdentityKeeper(
            self.source,
            clock=self.time.clock,
            wall_clock=self.time.wall_clock,
            observer=self.observer,
            sleep=self.time.sleep,
        )
        self.keeper.start()

    async def open(self, workload: Workload = POD) -> HeldIdentity:
        held = self.keeper.open(workload)
        await settle()
        return held

    async def breaks(self, problem: IdentityError | None) -> None:
        self.source.breaks(problem)
        await settle()

    @property
    def told(self) -> list[str]:
        """What the observer was told since the last time."""
        told, self.observer.told = self.observer.told, []
        return told


@pytest.fixture
async def kept() -> AsyncIterator[Kept]:
    kept = Kept()
    kept.source.register("/web", "k8s:ns:shop")
    yield kept
    await kept.keeper.close()


def secrets_of(held: HeldIdentity) -> list[X509Svid | Secret]:
    (svid,) = held.state.svids
    return [svid, svid.key]


def ids(state: IdentityState) -> list[str]:
    return [svid.spiffe_id.path for svid in state.svids]


async def test_nothing_is_known_before_the_source_answers() -> None:
    kept = Kept()
    state = kept.keeper.open(POD).state
    assert (state.phase, state.reason) == (Phase.WAITING, "no answer yet from fake")
    assert kept.keeper.bundles == TrustBundles()
    assert kept.keeper.problem == "no answer yet from fake"
    assert kept.keeper.source == "fake"
    await kept.keeper.close()


@pytest.mark.req("sa-3", part=True)
async def test_a_registered_workload_is_ready_with_its_identity(kept: Kept) -> None:
    held = await kept.open()
    assert (held.state.phase, held.state.reason, ids(held.state)) == (Phase.READY, "", ["/web"])
    assert kept.told == ["issued /web to pod"]
    assert kept.keeper.problem == ""


async def test_an_unregistered_workload_waits_and_is_told_why(kept: Kept) -> None:
    held = await kept.open(Workload("stranger", (Selector("k8s", "ns:bank"),)))
    assert (held.state.phase, held.state.svids) == (Phase.WAITING, ())
    assert held.state.reason == "no registration entry matches"


async def test_a_workload_that_is_registered_later_becomes_ready(kept: Kept) -> None:
    held = await kept.open(Workload("bank", (Selector("k8s", "ns:bank"),)))
    kept.source.register("/bank", "k8s:ns:bank", federates_with=["example.com"])
    await settle()
    assert ids(held.state) == ["/bank"]
    assert held.state.federates_with == {"example.com"}


@pytest.mark.req("sa-5", part=True)
async def test_a_new_certificate_takes_the_place_of_the_old_one(kept: Kept) -> None:
    held = await kept.open()
    (before,) = held.state.svids
    kept.source.register("/web", "k8s:ns:shop")
    await settle()
    (after,) = held.state.svids
    assert after.chain != before.chain
    assert kept.told == ["issued /web to pod", "rotated /web of pod"]


async def test_what_the_source_no_longer_says_is_gone_at_once(kept: Kept) -> None:
    kept.source.register("/more", "k8s:sa:web")
    held = await kept.open()
    assert ids(held.state) == ["/more", "/web"]
    kept.source.unregister("/web")
    await settle()
    assert (held.state.phase, ids(held.state)) == (Phase.READY, ["/more"])
    kept.source.unregister("/more")
    await settle()
    reason = "no registration entry matches"
    assert held.state == IdentityState(Phase.WAITING, reason, error=NotRegisteredError)
    assert kept.told[1:] == ["dropped /web of pod: revoked", "dropped /more of pod: revoked"]


@pytest.mark.req("sa-6", part=True)
async def test_the_id_that_names_a_workload_stays_whatever_else_is_issued(kept: Kept) -> None:
    held = await kept.open()
    for path in ("/zoo", "/api"):
        kept.source.register(path, "k8s:sa:web")
        await settle()
    assert ids(held.state) == ["/web", "/api", "/zoo"]
    other = await kept.open()
    assert ids(other.state) == ["/api", "/web", "/zoo"], "the smallest names one that is new"
    kept.source.unregister("/web")
    await settle()
    assert ids(held.state) == ["/api", "/zoo"], "revoked, so the smallest that is left"


@pytest.mark.req("sa-5", part=True)
async def test_attack_the_end_of_an_identity_makes_nobody_the_next_one(kept: Kept) -> None:
    held = await kept.open()
    kept.source.register("/api", "k8s:sa:web", lifetime=timedelta(minutes=2))
    await settle()
    await kept.breaks(AWAY)
    kept.time.wall += 60
    state = held.state
    assert (state.phase, state.spiffe_id, ids(state)) == (Phase.WAITING, None, ["/api"])
    assert str(state.problem) == f"the identity has expired and was not renewed; {AWAY}"
    assert isinstance(state.problem, SourceAwayError)
    await kept.time.advance(5)
    assert (held.state.spiffe_id, ids(held.state)) == (None, ["/api"]), "still away"
    with pytest.raises(SourceAwayError):
        await held.jwt_svids(["bank"])
    kept.source.register("/web", "k8s:ns:shop")
    await kept.breaks(None)
    await kept.time.advance(30)
    assert (held.state.phase, ids(held.state)) == (Phase.READY, ["/web", "/api"])


async def test_the_next_id_takes_over_where_the_source_says_so(kept: Kept) -> None:
    held = await kept.open()
    kept.source.register("/api", "k8s:sa:web", lifetime=timedelta(minutes=2))
    await settle()
    await kept.breaks(AWAY)
    kept.time.wall += 60
    assert held.state.spiffe_id is None
    kept.source.unregister("/web")
    await kept.breaks(None)
    await kept.time.advance(30)
    assert (held.state.phase, ids(held.state)) == (Phase.READY, ["/api"])


async def test_nothing_is_left_where_the_next_id_has_ended_too(kept: Kept) -> None:
    held = await kept.open()
    kept.source.register("/api", "k8s:sa:web", lifetime=timedelta(minutes=2))
    await settle()
    await kept.breaks(AWAY)
    kept.time.wall += 60
    assert ids(held.state) == ["/api"]
    kept.time.wall += 60
    assert (held.state.phase, ids(held.state)) == (Phase.WAITING, [])


@pytest.mark.req("sa-3", part=True)
@pytest.mark.parametrize("path", ["/governd", "/governd/signer/node-1"])
async def test_attack_a_workload_whose_entry_issues_governds_own_identity_gets_nothing(
    kept: Kept, path: str
) -> None:
    held = await kept.open()
    kept.source.register(path, "k8s:sa:web")
    await settle()
    assert (held.state.phase, held.state.svids) == (Phase.WAITING, ())
    assert isinstance(held.state.problem, InvalidIdentityError)
    assert f"spiffe://example.org{path} is governd's own" in held.state.reason
    assert any("failed pod: spiffe://example.org/governd" in one for one in kept.told), "loudly"
    with pytest.raises(InvalidIdentityError):
        await held.jwt_svids(["bank"])
    kept.source.unregister(path)
    await kept.time.advance(30)
    assert ids(held.state) == ["/web"]


async def test_attack_a_fixed_id_of_governds_own_is_issued_to_governd_alone(kept: Kept) -> None:
    spiffe_id = SpiffeId("example.org", "/governd/server/node-1")
    kept.source.register(spiffe_id.path, "k8s:sa:web")
    held = await kept.open(Workload("static", POD.selectors, spiffe_id))
    assert isinstance(held.state.problem, InvalidIdentityError)
    own = await kept.open(Workload("own", POD.selectors, spiffe_id, own=True))
    assert own.state.spiffe_id == spiffe_id


async def test_while_the_source_is_away_an_identity_is_held_to_its_end(kept: Kept) -> None:
    held = await kept.open()
    await kept.breaks(AWAY)
    assert (held.state.phase, held.state.reason) == (Phase.READY, str(AWAY))
    await kept.time.advance(59.75)
    assert (held.state.phase, ids(held.state)) == (Phase.READY, ["/web"])
    await kept.time.advance(0.25)
    assert (held.state.phase, held.state.svids) == (Phase.WAITING, ())
    assert str(AWAY) in held.state.reason
    assert "dropped /web of pod: expired" in kept.told


async def test_a_source_that_is_back_is_followed_within_its_longest_wait(kept: Kept) -> None:
    held = await kept.open()
    await kept.breaks(AWAY)
    await kept.time.advance(20)
    kept.source.breaks(None)
    kept.source.register("/web", "k8s:ns:shop")
    await kept.time.advance(5)
    assert held.state.reason == ""
    assert "rotated /web of pod" in kept.told


async def test_an_identity_revoked_while_the_source_was_away_is_gone_when_it_is_back(
    kept: Kept,
) -> None:
    held = await kept.open()
    await kept.breaks(AWAY)
    kept.source.unregister("/web")
    await kept.time.advance(10)
    assert held.state.phase is Phase.READY
    kept.source.breaks(None)
    await kept.time.advance(5)
    assert held.state.svids == ()


@pytest.mark.parametrize(
    "problem",
    [
        NotDelegateError("governd is not an authorized delegate of the SPIRE agent"),
        InvalidIdentityError("X.509-SVID of spiffe://example.org/web: does not parse"),
        NoIdentityError("nothing is known of the workload"),
    ],
)
async def test_a_source_that_refuses_takes_back_what_it_said(
    kept: Kept, problem: IdentityError
) -> None:
    held = await kept.open()
    await kept.breaks(problem)
    assert held.state == IdentityState(Phase.WAITING, str(problem), error=type(problem))
    found = held.state.problem
    assert (type(found), str(found)) == (type(problem), str(problem)), "the exact error is told"
    assert f"dropped /web of pod: {problem}" in kept.told


async def test_an_identity_that_nobody_renews_ends_though_the_source_is_there(kept: Kept) -> None:
    held = await kept.open()
    kept.source.register("/long", "k8s:sa:web", lifetime=timedelta(minutes=2))
    await kept.time.advance(60)
    assert ids(held.state) == ["/long"]
    await kept.time.advance(60)
    assert held.state.phase is Phase.WAITING
    assert held.state.reason == "the identity has expired and was not renewed"


async def test_an_identity_that_comes_expired_is_none(kept: Kept) -> None:
    kept.source.register("/old", "k8s:ns:old", lifetime=timedelta(0))
    held = await kept.open(Workload("old", (Selector("k8s", "ns:old"),)))
    assert kept.told == []
    assert (held.state.phase, held.state.svids) == (Phase.WAITING, ())


async def test_a_clock_that_is_set_forward_ends_identities_for_whoever_looks(kept: Kept) -> None:
    held = await kept.open()
    kept.time.wall += 3600
    assert held.state.phase is Phase.WAITING


async def test_followers_hear_of_an_end_though_nobody_looks(kept: Kept) -> None:
    kept.time.wall += 0.5  # so that it is not on the second of a regular look
    held = await kept.open()
    changes = held.changes()
    assert (await anext(changes)).phase is Phase.READY
    waiting = asyncio.ensure_future(anext(changes))
    await kept.time.advance(59.25)
    assert not waiting.done()
    await kept.time.advance(0.25)
    assert waiting.done()
    assert (await waiting).phase is Phase.WAITING


async def test_followers_hear_of_an_end_a_second_after_the_clock_was_set(kept: Kept) -> None:
    held = await kept.open()
    changes = held.changes()
    await anext(changes)
    waiting = asyncio.ensure_future(anext(changes))
    await kept.time.advance(5)
    kept.time.wall += 3600
    await kept.time.advance(1)
    assert waiting.done()
    assert (await waiting).phase is Phase.WAITING


async def test_a_follower_that_comes_late_is_not_told_of_what_has_ended(kept: Kept) -> None:
    held = await kept.open()
    kept.time.wall += 3600
    assert (await anext(held.changes())).phase is Phase.WAITING


async def test_the_same_state_is_not_told_twice(kept: Kept) -> None:
    held = await kept.open()
    changes = held.changes()
    await anext(changes)
    waiting = asyncio.ensure_future(anext(changes))
    kept.source.federate("example.com")  # tells every subscription, with nothing new for this
    await settle()
    assert not waiting.done()
    kept.source.unregister("/web")
    await settle()
    assert waiting.done()
    assert (await waiting).svids == ()
    assert kept.told == ["issued /web to pod", "dropped /web of pod: revoked"]


async def test_a_failure_is_told_again_as_the_same_one(kept: Kept) -> None:
    await kept.open()
    await kept.breaks(AWAY)
    await kept.time.advance(0.1)
    told = kept.told
    assert f"failed pod: {AWAY}" in told
    assert f"failed pod: {AWAY} again" in told
    assert f"failed bundles: {AWAY}" in told
    assert f"failed bundles: {AWAY} again" in told
    await kept.breaks(None)
    await kept.time.advance(5)
    assert kept.told == []
    await kept.breaks(AWAY)
    assert sorted(kept.told) == [f"failed bundles: {AWAY}", f"failed pod: {AWAY}"]


async def test_nothing_of_a_workload_is_kept_when_it_is_gone(kept: Kept) -> None:
    held = await kept.open()
    seen = [weakref.ref(one) for one in secrets_of(held)]
    changes = held.changes()
    await anext(changes)
    waiting = asyncio.ensure_future(anext(changes))
    await settle()
    held.close()
    assert (held.state.phase, held.state.reason) == (Phase.WAITING, "the workload is gone")
    await settle()
    assert waiting.done()
    assert (await waiting).svids == ()
    assert [change async for change in changes] == []
    await settle()
    gc.collect()
    assert [ref() for ref in seen] == [None, None]
    assert kept.source.subscriptions == 1, "the trust bundles'"
    assert kept.keeper.states() == []
    assert kept.told[-1] == "dropped /web of pod: the workload is gone"


@pytest.mark.parametrize("problem", [AWAY, NotDelegateError("no")])
async def test_nothing_of_an_identity_is_kept_when_it_has_ended(
    kept: Kept, problem: IdentityError
) -> None:
    held = await kept.open()
    seen = [weakref.ref(one) for one in secrets_of(held)]
    await kept.breaks(problem)
    await kept.time.advance(60)
    gc.collect()
    assert [ref() for ref in seen] == [None, None]


async def test_an_old_certificate_is_not_kept_beside_the_new_one(kept: Kept) -> None:
    held = await kept.open()
    seen = [weakref.ref(one) for one in secrets_of(held)]
    kept.source.register("/web", "k8s:ns:shop")
    await settle()
    gc.collect()
    assert [ref() for ref in seen] == [None, None]


async def test_closing_again_does_nothing(kept: Kept) -> None:
    held = await kept.open()
    held.close()
    held.close()
    assert len(kept.told) == 2


async def test_a_workload_that_is_gone_before_it_began_asks_for_nothing(kept: Kept) -> None:
    held = kept.keeper.open(POD)
    held.close()
    await settle()
    assert kept.source.begun == 1, "the trust bundles'"


async def test_closing_the_keeper_ends_everything() -> None:
    kept = Kept()
    await kept.open()
    await kept.open()
    bundles = kept.keeper.bundle_changes()
    await anext(bundles)
    await kept.keeper.close()
    assert kept.source.subscriptions == 0
    assert kept.keeper.bundles == TrustBundles()
    assert [change async for change in bundles] == [TrustBundles()]
    assert kept.keeper.held.workloads == 0


async def test_what_is_held_is_counted(kept: Kept) -> None:
    assert kept.keeper.held.next_expiry is None
    kept.source.register("/long", "k8s:sa:web", lifetime=timedelta(hours=1))
    await kept.open()
    await kept.open(Workload("stranger", (Selector("k8s", "ns:bank"),)))
    held = kept.keeper.held
    assert (held.workloads, held.ready, held.svids) == (2, 1, 2)
    assert held.next_expiry == kept.time.wall + 60
    assert held.oldest is not None
    assert held.oldest <= kept.time.wall
    assert [workload.name for workload, _ in kept.keeper.states()] == ["pod", "stranger"]


async def test_what_has_ended_is_not_counted_before_anybody_is_told_of_it(kept: Kept) -> None:
    held = await kept.open()
    kept.time.wall += 3600
    assert (kept.keeper.held.svids, kept.keeper.held.next_expiry) == (0, None)
    assert held.at(kept.time.wall).phase is Phase.WAITING
    assert kept.told == ["issued /web to pod"], "any thread may ask, so nobody is told"
    assert held.state.phase is Phase.WAITING
    assert kept.told == ["dropped /web of pod: expired"]


@pytest.mark.req("sm-1", part=True)
async def test_how_long_a_workload_waited_for_its_first_identity_is_told_once(kept: Kept) -> None:
    await kept.open(Workload("bank", (Selector("k8s", "ns:bank"),)))
    await kept.time.advance(3)
    kept.source.register("/bank", "k8s:ns:bank")
    await settle()
    kept.source.unregister("/bank")
    await settle()
    kept.source.register("/bank", "k8s:ns:bank")
    await settle()
    assert kept.observer.waits == [("bank", 3.0)]


async def test_since_when_the_source_is_away_is_known_whatever_is_said_of_it(kept: Kept) -> None:
    assert kept.keeper.problem_since == kept.time.wall
    await settle()
    assert kept.observer.follows == 1
    await kept.time.advance(60)
    began = kept.time.wall
    await kept.breaks(AWAY)
    await kept.time.advance(30)
    await kept.breaks(SourceAwayError("SPIRE agent is away: nobody listens"))
    await kept.time.advance(30)
    assert kept.keeper.problem_since == began
    await kept.breaks(None)
    await kept.time.advance(5)
    assert (kept.keeper.problem, kept.observer.follows) == ("", 2)


async def test_trust_bundles_follow_the_source() -> None:
    kept = Kept()
    changes = kept.keeper.bundle_changes()
    assert await anext(changes) == TrustBundles()
    assert list((await anext(changes)).x509) == ["example.org"]
    kept.source.federate("example.com")
    bundles = await anext(changes)
    assert list(bundles.x509) == ["example.org", "example.com"]
    assert not set(bundles.x509["example.org"]) & set(bundles.x509["example.com"])
    kept.source.federate("example.com", trusted=False)
    assert list((await anext(changes)).x509) == ["example.org"]
    await kept.keeper.close()


@pytest.mark.parametrize("problem", [AWAY, NotDelegateError("governd may not ask")])
async def test_trust_bundles_stay_while_the_source_gives_none(
    kept: Kept, problem: IdentityError
) -> None:
    await settle()
    before = kept.keeper.bundles
    await kept.breaks(problem)
    await kept.time.advance(60)
    assert kept.keeper.bundles is before
    assert kept.keeper.problem == str(problem)
    kept.source.breaks(None)
    await kept.time.advance(5)
    assert kept.keeper.problem == ""


async def test_tokens_are_for_the_ids_that_the_workload_has(kept: Kept) -> None:
    kept.source.register("/more", "k8s:sa:web")
    held = await kept.open()
    both = await held.jwt_svids(["bank"])
    one = await held.jwt_svids(["bank"], SpiffeId.parse("spiffe://example.org/more"))
    assert [svid.spiffe_id.path for svid in both] == ["/web", "/more"]
    assert [svid.spiffe_id.path for svid in one] == ["/more"]


async def test_a_token_for_an_id_of_somebody_else_is_refused(kept: Kept) -> None:
    held = await kept.open()
    with pytest.raises(NoIdentityError, match="not issued to this workload"):
        await held.jwt_svids(["bank"], SpiffeId.parse("spiffe://example.org/other"))


async def test_a_token_is_not_asked_for_again_from_memory(kept: Kept) -> None:
    held = await kept.open()
    (first,) = await held.jwt_svids(["bank"])
    seen = weakref.ref(first)
    del first
    gc.collect()
    assert seen() is None


async def test_without_an_identity_there_is_no_token_and_the_reason_is_told(kept: Kept) -> None:
    held = kept.keeper.open(Workload("stranger", (Selector("k8s", "ns:bank"),)))
    with pytest.raises(SourceAwayError, match="no answer yet"):
        await held.jwt_svids(["bank"])
    await settle()
    with pytest.raises(NoIdentityError, match="no registration entry"):
        await held.jwt_svids(["bank"])
    await kept.breaks(AWAY)
    with pytest.raises(SourceAwayError, match="is away"):
        await held.jwt_svids(["bank"])
    await kept.breaks(NotDelegateError("not a delegate"))
    await kept.time.advance(5)
    with pytest.raises(NotDelegateError):
        await held.jwt_svids(["bank"])
    held.close()
    with pytest.raises(NoIdentityError, match="gone"):
        await held.jwt_svids(["bank"])


@pytest.mark.parametrize("gone", ["unregister", "close"])
async def test_a_token_that_comes_too_late_is_dropped(
    kept: Kept, gone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ID is revoked, or the workload goes, while the source signs."""
    held = await kept.open()
    signing, signed = asyncio.Event(), kept.source.jwt_svids

    async def slowly(*question: object) -> object:
        found = await signed(POD, ["bank"])
        await signing.wait()
        return found

    monkeypatch.setattr(kept.source, "jwt_svids", slowly)
    asking = asyncio.ensure_future(held.jwt_svids(["bank"]))
    await settle()
    if gone == "unregister":
        kept.source.unregister("/web")
    else:
        held.close()
    await settle()
    signing.set()
    with pytest.raises(NoIdentityError):
        await asking


async def test_a_token_for_an_id_that_is_not_held_yet_is_left_out(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = await kept.open()
    other = Workload("other", (Selector("k8s", "ns:bank"),))
    kept.source.register("/bank", "k8s:ns:bank")
    strange = await kept.source.jwt_svids(other, ["bank"])

    async def another(*_: object) -> object:
        return strange

    monkeypatch.setattr(kept.source, "jwt_svids", another)
    with pytest.raises(NoIdentityError):
        await held.jwt_svids(["bank"])
