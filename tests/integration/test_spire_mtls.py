"""A governd whose callers have SVIDs of a real SPIRE: what ends while connections stand."""

import asyncio
import base64
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from governd._proto.governd.v1 import agent_service_pb2, agent_service_pb2_grpc
from governd.identity import jose
from governd.identity.svid import X509Svid
from governd.identity.x509_rules import thumbprint
from tests.agent_cards import card, signed, write
from tests.integration.daemon_process import StartGovernd
from tests.integration.endpoints.doors import refused
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
from tests.spire_parts import Entry, Spire, StartSpire

SELECTOR = "k8s:ns:shop"
WEB = "spiffe://example.org/web"


async def door_of(spire: Spire, governd: StartGovernd) -> Door:
    daemon = await asyncio.to_thread(governd, settings(spire), listeners={})
    return Door(daemon, await authorities_of(spire))


async def end_of(svid: X509Svid) -> None:
    """Returns when it has ended."""
    left = svid.not_after - datetime.now(UTC)
    await asyncio.sleep(max(0.0, left.total_seconds()) + 0.01)


@pytest.mark.req("r-2", part=True)
async def test_a_certificate_that_is_not_renewed_ends_its_connection_and_its_stream(
    start_spire: StartSpire, governd: StartGovernd
) -> None:
    spire = start_spire(entries=[*own_entries(), Entry("/web", (SELECTOR,), ttl=6)])
    door = await door_of(spire, governd)
    svid = await svid_of(spire, SELECTOR)
    async with door.channel(svid) as channel:
        stream = await open_stream(channel)
        assert await who_am_i(channel) == WEB
        assert await ended(stream) == UNVERIFIED
        await end_of(svid)
        assert await refused(who_am_i(channel)) == UNVERIFIED
    renewed = await svid_of(spire, SELECTOR, but=svid.chain[0])
    assert await door.who(renewed) == WEB


@pytest.mark.req("sa-5", part=True)
async def test_an_authority_of_ours_that_is_revoked_ends_the_streams_that_rested_on_it(
    start_spire: StartSpire, governd: StartGovernd
) -> None:
    spire = start_spire(entries=[*own_entries(), Entry("/web", (SELECTOR,))])
    door = await door_of(spire, governd)
    old = await svid_of(spire, SELECTOR)
    async with door.channel(old) as first:
        ending = await open_stream(first)
        authority = spire.server.rotate_authority()
        spire.server.taint_authority(authority)
        new = await svid_of(spire, SELECTOR, but=old.chain[0])
        door = Door(door.daemon, await authorities_of(spire))
        await door.until_known(new)
        async with door.channel(new) as second:
            going_on = await open_stream(second)
            assert await who_am_i(first) == WEB, "the old one counts until it is revoked"
            spire.server.revoke_authority(authority)
            assert await ended(ending) == UNVERIFIED
            assert await refused(who_am_i(first)) == UNVERIFIED
            assert await who_am_i(second) == WEB
            assert not going_on.done()


@pytest.mark.req("gi-6", part=True)
async def test_an_attestation_is_bound_to_the_certificate_that_its_agent_called_with(
    start_spire: StartSpire, governd: StartGovernd
) -> None:
    spire = start_spire(entries=[*own_entries(), Entry("/web", (SELECTOR,))])
    door = await door_of(spire, governd)
    svid = await svid_of(spire, SELECTOR)
    request = agent_service_pb2.RegisterAgentRequest(card_json=write(own_card(svid)))
    async with door.channel(svid) as channel:
        stub = agent_service_pb2_grpc.AgentServiceStub(channel)
        answer = await stub.RegisterAgent(request, timeout=20)
    assert answer.agent.level == agent_service_pb2.KYA_LEVEL_BOUND
    claims = jose.read_object(jose.decode(answer.attestation.split(".")[1].encode()))
    assert claims["cnf"] == {"x5t#S256": thumbprint(svid.chain[0])}
    assert claims["sub"] == WEB


def own_card(svid: X509Svid) -> dict[str, Any]:
    """A card that its agent signed with its own identity."""
    key = serialization.load_der_private_key(svid.key.reveal(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    chain = [base64.b64encode(one).decode() for one in svid.chain]
    return signed(card(), key, kid="svid", x5c=chain)
