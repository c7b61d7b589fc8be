"""Who is behind a door: whoever is issued, or nobody; by the template in one case only."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from governd.application.occupant import Naming, Occupant
from governd.errors import (
    IdentityError,
    InvalidIdentityError,
    NoIdentityError,
    NotDelegateError,
    RequestError,
    SourceAwayError,
)
from governd.identity import Attestation, Caller, Newcomer, SpiffeId, Who
from governd.identity.path_template import PathTemplate
from governd.identity.svid import Selector, Workload
from tests.fakes.identities import FakeIdentities
from tests.fakes.time import settle

SELECTOR = "k8s:sa:web"
POD = Workload(
    "web-1", (Selector.parse(SELECTOR),), facts={"namespace": "shop", "service_account": "web"}
)
FACTS = {**POD.facts, "listener": "web-1"}
NEWCOMER = Newcomer("web-1", FACTS)
TEMPLATE = PathTemplate.parse("/ns/{namespace}/sa/{service_account}")
PLAIN = Naming("example.org", spire=True)
NAMING = Naming("example.org", spire=True, template=TEMPLATE)
STAND_IN = Caller(
    SpiffeId.parse("spiffe://example.org/ns/shop/sa/web"), Attestation.TEMPLATE, FACTS
)


def by_spire(path: str) -> Caller:
    return Caller(SpiffeId("example.org", path), Attestation.SPIRE, FACTS)


def who(occupant: Occupant) -> Who:
    """Who it is, of any kind."""
    return occupant.who


@pytest.fixture
async def identities() -> AsyncIterator[FakeIdentities]:
    made = FakeIdentities()
    yield made
    await made.keeper.close()


@pytest.mark.req("sa-4", part=True)
async def test_nobody_is_known_until_an_identity_is_there(identities: FakeIdentities) -> None:
    occupant = Occupant(identities.keeper.open(POD), PLAIN)
    assert who(occupant) == NEWCOMER, "no answer yet"
    await settle()
    assert who(occupant) == NEWCOMER, "no entry"
    identities.source.register("/web", SELECTOR)
    await settle()
    assert who(occupant) == by_spire("/web")


async def test_of_several_identities_it_stays_the_one_that_it_is(
    identities: FakeIdentities,
) -> None:
    occupant = Occupant(identities.keeper.open(POD), PLAIN)
    for path in ("/web", "/zoo"):
        identities.source.register(path, SELECTOR)
    await settle()
    before = occupant.who
    assert before == by_spire("/web"), "the smallest at first"
    identities.source.register("/api", SELECTOR)
    await settle()
    assert occupant.who is before
    identities.source.unregister("/web")
    await settle()
    assert who(occupant) == by_spire("/api"), "revoked: the smallest that is left"


async def test_attack_who_has_an_id_that_expires_does_not_become_another_one(
    identities: FakeIdentities,
) -> None:
    """With the source away nobody has said that the workload is anybody else."""
    occupant = Occupant(identities.keeper.open(POD), NAMING)
    identities.source.register("/api", SELECTOR)
    identities.source.register("/web", SELECTOR, lifetime=timedelta(minutes=2))
    await settle()
    identities.source.breaks(SourceAwayError("away"))
    await settle()
    assert who(occupant) == by_spire("/api")
    identities.time.wall += 60
    assert who(occupant) == NEWCOMER
    assert isinstance(occupant.held.state.problem, SourceAwayError)


async def test_after_a_rotation_it_is_the_very_same(identities: FakeIdentities) -> None:
    occupant = Occupant(identities.keeper.open(POD), PLAIN)
    identities.source.register("/web", SELECTOR)
    await settle()
    before = occupant.who
    identities.source.register("/web", SELECTOR)
    await settle()
    assert occupant.who is before


async def test_an_identity_counts_to_its_end_whoever_looks(identities: FakeIdentities) -> None:
    identities.source.register("/web", SELECTOR)
    occupant = Occupant(identities.keeper.open(POD), NAMING)
    await settle()
    identities.source.breaks(SourceAwayError("away"))
    await settle()
    assert who(occupant) == by_spire("/web"), "what was issued stays good"
    identities.time.wall += 60
    assert who(occupant) == NEWCOMER


async def test_a_change_is_told_at_once(identities: FakeIdentities) -> None:
    held = identities.keeper.open(POD)
    occupant = Occupant(held, PLAIN)
    told: list[object] = []
    occupant.on_change(lambda: told.append(who(occupant)))
    identities.source.register("/web", SELECTOR)
    await settle()
    held.close()
    held.close()
    assert told == [by_spire("/web"), NEWCOMER]


@pytest.mark.req("sa-4", part=True)
async def test_the_template_stands_in_until_there_is_an_entry(identities: FakeIdentities) -> None:
    occupant = Occupant(identities.keeper.open(POD), NAMING)
    assert who(occupant) == NEWCOMER, "not before the source has answered"
    await settle()
    assert who(occupant) == STAND_IN
    identities.source.register("/web", SELECTOR)
    await settle()
    assert who(occupant) == by_spire("/web")
    identities.source.unregister("/web")
    await settle()
    assert who(occupant) == STAND_IN


@pytest.mark.parametrize(
    "problem",
    [
        SourceAwayError("away"),
        NotDelegateError("no delegate"),
        InvalidIdentityError("does not parse"),
        NoIdentityError("refuses the workload"),
    ],
)
async def test_attack_the_template_never_stands_in_for_a_source_that_did_not_answer(
    identities: FakeIdentities, problem: IdentityError
) -> None:
    occupant = Occupant(identities.keeper.open(POD), NAMING)
    await settle()
    assert who(occupant) == STAND_IN
    identities.source.breaks(problem)
    await settle()
    assert who(occupant) == NEWCOMER


async def test_the_template_stands_in_for_nobody_whose_workload_is_gone(
    identities: FakeIdentities,
) -> None:
    held = identities.keeper.open(POD)
    occupant = Occupant(held, NAMING)
    await settle()
    held.close()
    assert who(occupant) == NEWCOMER


async def test_the_template_is_for_those_who_have_every_fact(identities: FakeIdentities) -> None:
    some = Workload("some", POD.selectors, facts={"namespace": "shop"})
    occupant = Occupant(identities.keeper.open(some), NAMING)
    await settle()
    assert isinstance(occupant.who, Newcomer)


async def test_attack_a_fact_that_forges_a_path_opens_no_door(identities: FakeIdentities) -> None:
    forged = Workload("forged", facts={"namespace": "a/b", "service_account": "web"})
    with pytest.raises(RequestError, match=r"facts\.namespace"):
        Occupant(identities.keeper.open(forged), NAMING)


async def test_attack_a_fact_that_forges_the_listeners_name(identities: FakeIdentities) -> None:
    forged = Workload("web-1", POD.selectors, facts={"listener": "admin"})
    assert Occupant(identities.keeper.open(forged), PLAIN).who.facts == {"listener": "web-1"}


async def test_every_workload_is_told_apart_by_how_it_is_attested(
    identities: FakeIdentities,
) -> None:
    held = identities.keeper.open(POD)
    await settle()
    embedded = Naming("example.org", spire=False, template=TEMPLATE)
    own = Workload("own", POD.selectors, SpiffeId("example.org", "/own"))
    assert PLAIN.attestation(POD, held.state) is Attestation.SPIRE
    assert NAMING.attestation(POD, held.state) is Attestation.TEMPLATE
    assert NAMING.attestation(own, held.state) is Attestation.SPIRE
    assert embedded.attestation(POD, held.state) is Attestation.TEMPLATE
    assert embedded.attestation(own, held.state) is Attestation.STATIC
    identities.source.register("/web", SELECTOR)
    await settle()
    assert NAMING.attestation(POD, held.state) is Attestation.SPIRE
