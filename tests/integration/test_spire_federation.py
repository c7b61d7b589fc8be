"""Two federated trust domains and a third one, each with a SPIRE of its own; one governd."""

import asyncio
import dataclasses
from collections.abc import Iterator
from datetime import timedelta

import grpc
import grpc.aio
import pytest

from governd.identity.secret import Secret
from governd.identity.spiffe_id import SpiffeId
from governd.identity.svid import X509Svid
from tests.fakes.authority import Authority, Issued
from tests.integration.daemon_process import StartGovernd
from tests.integration.endpoints.doors import refused
from tests.integration.endpoints.peers import now
from tests.mtls_parts import (
    UNVERIFIED,
    Door,
    authorities_of,
    ended,
    open_stream,
    own_entries,
    settings,
    svid_of,
    who_am_i,
)
from tests.spire_parts import TRUST_DOMAIN, Entry, Spire, StartSpire, spires
from tests.stock_clients import GoSpiffe, PySpiffe

PARTNER, STRANGER = "partner.example", "stranger.example"
SELECTOR = "k8s:ns:shop"
FRIEND = "k8s:sa:friend"
LISTENERS = "".join(
    f'[[listener]]\nattestation = "spire"\nname = "{name}"\nsocket = "{name}.sock"\n'
    f'selectors = ["{selector}"]\n'
    for name, selector in (("web", SELECTOR), ("friend", FRIEND))
)
BUYER = f"spiffe://{PARTNER}/buyer"


@dataclasses.dataclass(frozen=True)
class World:
    """Three trust domains. ``ours`` federates with ``partner``, and with nobody else.

    Attributes:
        root: Above the partner's authority: who has it speaks for the partner.
    """

    ours: Spire
    partner: Spire
    stranger: Spire
    root: Authority

    def forge(self, spiffe_id: str) -> X509Svid:
        """What the partner's authority signs if it is in bad hands."""
        issued = self.root.issue(spiffe_id, not_before=now() - timedelta(minutes=1))
        return svid_from(spiffe_id, issued)


def svid_from(spiffe_id: str, issued: Issued) -> X509Svid:
    found, key = issued.certificate, Secret(issued.key_der)
    ends = (found.not_valid_before_utc, found.not_valid_after_utc)
    return X509Svid(SpiffeId.parse(spiffe_id), issued.chain, key, "", *ends)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    root = Authority(PARTNER, now=now())
    with spires() as start:
        partner = start(PARTNER, entries=[Entry("/buyer", (SELECTOR,))], root=root)
        stranger = start(STRANGER, entries=[Entry("/buyer", (SELECTOR,))])
        ours = start(entries=[Entry("/web", (SELECTOR,))])
        ours.server.federate(partner.server)
        ours.server.create(*own_entries(federates_with=(PARTNER,)))
        ours.server.create(Entry("/friend", (FRIEND,), federates_with=(PARTNER,)))
        yield World(ours, partner, stranger, root)


@pytest.fixture
async def door(world: World, governd: StartGovernd) -> Door:
    text = settings(world.ours, (TRUST_DOMAIN, PARTNER))
    daemon = await asyncio.to_thread(governd, text, listeners={})
    opened = Door(daemon, await authorities_of(world.ours))
    await opened.until_known(await svid_of(world.partner, SELECTOR))
    return opened


@pytest.mark.req("sa-2", part=True)
async def test_a_workload_of_a_federated_trust_domain_is_known_as_itself(
    world: World, door: Door
) -> None:
    assert await door.who(await svid_of(world.partner, SELECTOR)) == BUYER
    assert await door.who(await svid_of(world.ours, SELECTOR)) == f"spiffe://{TRUST_DOMAIN}/web"


@pytest.mark.req("sa-2", part=True)
@pytest.mark.parametrize("path", ["/web", "/agent/writer", "/governd/server/node-1"])
async def test_attack_a_federated_authority_signs_for_our_trust_domain(
    path: str, world: World, door: Door
) -> None:
    """With the very key that its own workloads' identities rest on."""
    assert await door.who(world.forge(f"spiffe://{PARTNER}/forged")) == f"spiffe://{PARTNER}/forged"
    forged = world.forge(f"spiffe://{TRUST_DOMAIN}{path}")
    assert await refused(door.who(forged)) == UNVERIFIED


@pytest.mark.req("sa-2", part=True)
async def test_attack_a_federated_authority_signs_for_a_third_trust_domain(
    world: World, door: Door
) -> None:
    forged = world.forge(f"spiffe://{STRANGER}/buyer")
    assert await refused(door.who(forged)) == UNVERIFIED


@pytest.mark.req("sa-2", part=True)
async def test_an_unfederated_trust_domain_is_refused(world: World, door: Door) -> None:
    svid = await svid_of(world.stranger, SELECTOR)
    assert str(svid.spiffe_id) == f"spiffe://{STRANGER}/buyer"
    # TLS has no root of theirs.
    assert (await refused(door.who(svid))).code is grpc.StatusCode.UNAVAILABLE


@pytest.mark.req("sa-2", part=True)
@pytest.mark.parametrize("stock", [PySpiffe, GoSpiffe], ids=["py-spiffe", "go-spiffe"])
def test_the_federated_trust_bundle_goes_to_those_whose_entry_federates(
    stock: type[PySpiffe] | type[GoSpiffe], world: World, governd: StartGovernd
) -> None:
    daemon = governd(settings(world.ours, more=LISTENERS), listeners={})
    with stock(f"unix://{daemon.directory}/friend.sock").watch() as watching:
        watching.until(lambda found: found.domains == [TRUST_DOMAIN, PARTNER])
    with stock(f"unix://{daemon.directory}/web.sock").watch() as watching:
        found = watching.until(lambda _: True)
    assert (found.ids, found.domains) == ([f"spiffe://{TRUST_DOMAIN}/web"], [TRUST_DOMAIN])


@pytest.mark.req("sa-2", part=True)
async def test_a_trust_domain_that_federates_but_may_not_call_here_is_refused(
    world: World, governd: StartGovernd
) -> None:
    daemon = await asyncio.to_thread(governd, settings(world.ours, (TRUST_DOMAIN,)), listeners={})
    door = Door(daemon, await authorities_of(world.ours))
    await door.until_known(await svid_of(world.ours, SELECTOR))
    found = await refused(door.who(await svid_of(world.partner, SELECTOR)))
    assert found.code is grpc.StatusCode.UNAVAILABLE


@pytest.mark.req("sa-2", part=True)
@pytest.mark.req("sa-5", part=True)
async def test_a_federated_authority_is_rotated_and_streams_of_the_old_one_end(
    start_spire: StartSpire, governd: StartGovernd
) -> None:
    partner = start_spire(PARTNER, entries=[Entry("/buyer", (SELECTOR,))])
    ours = start_spire(entries=[Entry("/web", (SELECTOR,))])
    ours.server.federate(partner.server)
    ours.server.create(*own_entries(federates_with=(PARTNER,)))
    daemon = governd(settings(ours, (TRUST_DOMAIN, PARTNER)), listeners={})
    door = Door(daemon, await authorities_of(ours))
    old, web = await svid_of(partner, SELECTOR), await svid_of(ours, SELECTOR)
    await door.until_known(old)
    async with door.channel(old) as first, door.channel(web) as third:
        ending, going_on = await open_stream(first), await open_stream(third)
        authority = partner.server.rotate_authority()
        ours.server.federate(partner.server)  # both authorities are known
        partner.server.taint_authority(authority)
        new = await svid_of(partner, SELECTOR, but=old.chain[0])
        await door.until_known(new)
        assert await who_am_i(first) == BUYER, "the old one counts until it is revoked"
        async with door.channel(new) as second:
            renewed = await open_stream(second)
            partner.server.revoke_authority(authority)
            ours.server.federate(partner.server)
            assert await ended(ending) == UNVERIFIED
            assert await refused(who_am_i(first)) == UNVERIFIED
            assert await who_am_i(second) == BUYER
            assert not renewed.done()
            assert not going_on.done()
            assert await who_am_i(third) == f"spiffe://{TRUST_DOMAIN}/web"


@pytest.mark.req("sa-2", part=True)
async def test_a_federation_that_ends_ends_its_streams(
    start_spire: StartSpire, governd: StartGovernd
) -> None:
    partner = start_spire(PARTNER, entries=[Entry("/buyer", (SELECTOR,))])
    ours = start_spire()
    ours.server.federate(partner.server)
    ours.server.create(*own_entries(federates_with=(PARTNER,)))
    daemon = governd(settings(ours, (TRUST_DOMAIN, PARTNER)), listeners={})
    door = Door(daemon, await authorities_of(ours))
    buyer = await svid_of(partner, SELECTOR)
    await door.until_known(buyer)
    async with door.channel(buyer) as channel:
        stream = await open_stream(channel)
        ours.server.defederate(partner.server)
        assert await ended(stream) == UNVERIFIED
        assert await refused(who_am_i(channel)) == UNVERIFIED
