"""What is said of identities when all is well, and when it is not."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from governd.adapters.embedded_ca import EmbeddedAuthority, EmbeddedIdentity
from governd.application.identity_health import IdentityHealth, span
from governd.application.operate import Component
from governd.application.own_identity import OwnIdentities
from governd.errors import SourceAwayError
from governd.identity.svid import Selector, Workload
from tests.fakes.identities import FakeIdentities
from tests.fakes.time import settle

AWAY = SourceAwayError("SPIRE agent is away: nobody listens on /run/admin.sock")
SERVING, SIGNING = Selector("governd", "server"), Selector("governd", "signer")


class Watched(FakeIdentities):
    """A governd's identities and their health."""

    def __init__(self) -> None:
        super().__init__()
        self.keeper.start()
        self.own = OwnIdentities.of(
            self.keeper,
            trust_domain="example.org",
            node="n",
            serving_selectors=[SERVING],
            signing_selectors=[SIGNING],
        )
        self.own.start()
        self.health = IdentityHealth(
            self.keeper,
            {"serve": self.own.serving, "sign": self.own.signing},
            wall_clock=self.time.wall_clock,
        )

    async def register(self) -> None:
        self.source.register("/governd/server/n", str(SERVING), lifetime=timedelta(minutes=4))
        self.source.register("/governd/signer/n", str(SIGNING), lifetime=timedelta(minutes=9))
        await settle()


@pytest.fixture
async def watched() -> AsyncIterator[Watched]:
    made = Watched()
    yield made
    await made.keeper.close()


async def test_before_the_source_answers_nothing_is_ready() -> None:
    watched = Watched()
    component = watched.health.component()
    await watched.keeper.close()
    assert not component.ready
    assert "no answer yet from fake (since 2026-01-01 12:00:00 UTC)" in component.detail
    assert component.detail.endswith("fake: 0 identities held, 2 workloads wait for one")


async def test_with_both_identities_and_a_source_all_is_well(watched: Watched) -> None:
    await watched.register()
    assert watched.health.component() == Component(
        "identity", ready=True, detail="fake: 2 identities held, the first expires in 4 min"
    )


@pytest.mark.req("sa-7", part=True)
@pytest.mark.req("avail-1", part=True)
async def test_while_the_source_is_away_it_is_told_since_when_and_what_is_held(
    watched: Watched,
) -> None:
    await watched.register()
    watched.source.breaks(AWAY)
    await watched.time.advance(60)
    watched.source.breaks(SourceAwayError("SPIRE agent is away: there is no socket at /run/x"))
    await watched.time.advance(60)
    assert watched.health.component() == Component(
        "identity",
        ready=False,
        detail="SPIRE agent is away: there is no socket at /run/x (since 2026-01-01 12:00:00 UTC)"
        "; fake: 2 identities held, the first expires in 2 min",
    )
    watched.source.breaks(None)
    await watched.time.advance(5)
    assert watched.health.component().ready
    watched.source.breaks(AWAY)
    await settle()
    assert "(since 2026-01-01 12:02:05 UTC)" in watched.health.component().detail


async def test_a_source_that_was_never_there_is_told_of_once(watched: Watched) -> None:
    watched.source.breaks(AWAY)
    await settle()
    detail = watched.health.component().detail
    assert detail.count(str(AWAY)) == 1
    assert "UTC); nothing to serve with; nothing to sign with; fake: 0" in detail


async def test_without_something_to_sign_with_governd_is_not_ready(watched: Watched) -> None:
    await watched.register()
    watched.source.unregister("/governd/signer/n")
    await settle()
    component = watched.health.component()
    assert not component.ready
    assert component.detail == (
        "nothing to sign with: governd is not spiffe://example.org/governd/signer/n: no "
        "registration entry matches; fake: 1 identity held, it expires in 4 min, 1 workload "
        "waits for one"
    )


async def test_a_workload_that_waits_to_be_registered_keeps_nobody_from_being_ready(
    watched: Watched,
) -> None:
    await watched.register()
    watched.keeper.open(Workload("stranger", (Selector("k8s", "ns:x"),)))
    await settle()
    component = watched.health.component()
    assert component.ready
    assert component.detail.endswith(", 1 workload waits for one")


async def test_the_development_authority_has_the_same_health(watched: Watched) -> None:
    await settle()
    authority = EmbeddedAuthority("example.org", datetime.now(UTC))
    signing = EmbeddedIdentity.signing(authority, "n")
    health = IdentityHealth(watched.keeper, {"sign": signing}, wall_clock=watched.time.wall_clock)
    assert health.component().ready


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-1, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "119 min"), (7200, "2 h"), (2e5, "2 d")],
)
def test_a_time_to_come_is_said_in_its_largest_unit(seconds: float, said: str) -> None:
    assert span(seconds) == said
