"""Certificates that prove nothing, presented to a real listener.

Either TLS refuses the connection, or governd each call; unit tests of the verification
(``tests/unit/identity/test_verification.py``) show that it would refuse those of the first
kind too.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import grpc
import pytest

from tests.fakes.authority import HOUR, SERVER, Authority, Issued, usage
from tests.integration.endpoints.doors import ask, refused
from tests.integration.endpoints.peers import WRITER, OpenPeerDoor, PeerDoor, now

BY_TLS = (grpc.StatusCode.UNAVAILABLE, "")
BY_US = (grpc.StatusCode.UNAUTHENTICATED, "CALLER_UNVERIFIED")

Forge = Callable[[PeerDoor, Authority], Issued]
"""Makes a certificate, from our authority or that of a federated domain."""


def ours(*uris: str, **changes: Any) -> Forge:
    def forge(door: PeerDoor, _partner: Authority) -> Issued:
        return door.authority.issue(*uris, **{"not_before": now() - HOUR / 60, **changes})

    return forge


def theirs(*uris: str) -> Forge:
    def forge(_door: PeerDoor, partner: Authority) -> Issued:
        return partner.issue(*uris)

    return forge


def strangers(_door: PeerDoor, _partner: Authority) -> Issued:
    return Authority("example.org", now=now()).issue(WRITER)


def of_a_false_intermediate(door: PeerDoor, _partner: Authority) -> Issued:
    return door.authority.intermediate(uris=["spiffe://partner.org"]).issue(WRITER)


ATTACKS: dict[str, tuple[Forge, tuple[grpc.StatusCode, str]]] = {
    "an authority that nobody trusts": (strangers, BY_TLS),
    "wrong trust domain": (ours("spiffe://partner.org/agent/writer"), BY_US),
    "a trust domain that is not trusted": (ours("spiffe://evil.org/agent/writer"), BY_US),
    "federated CA that signs our domain": (theirs(WRITER), BY_US),
    "an intermediate of another domain": (of_a_false_intermediate, BY_US),
    "two URI SANs": (ours(WRITER, "spiffe://example.org/admin"), BY_US),
    "the same URI SAN twice": (ours(WRITER, WRITER), BY_US),
    # gRPC's own reading of a URI SAN ends at NUL.
    "NUL in the SAN": (ours(f"{WRITER}\0.evil.org/x"), BY_US),
    "NUL in the trust domain": (ours("spiffe://example.org\0.evil.org/agent/writer"), BY_US),
    "NUL after another's ID": (ours("spiffe://partner.org/agent/buyer\0"), BY_US),
    "percent": (ours("spiffe://example.org/agent/%77riter"), BY_US),
    "parent segment": (ours("spiffe://example.org/agent/../admin"), BY_US),
    "query": (ours(f"{WRITER}?admin=true"), BY_US),
    "upper case": (ours("spiffe://EXAMPLE.org/agent/writer"), BY_US),
    "the trust domain itself": (ours("spiffe://example.org"), BY_US),
    "DNS SAN only": (ours(dns=["writer.example.org"]), BY_US),
    # Which Envoy read to its NUL: CVE-2026-47778.
    "NUL in a DNS SAN": (ours(dns=["governd\0.evil.org"]), BY_US),
    "an ID in a DNS SAN up to its NUL": (ours(dns=[f"{WRITER}\0.evil.org"]), BY_US),
    "no SAN": (ours(), BY_US),
    "CA as leaf": (ours(WRITER, ca=True, usage=usage("digital_signature", "key_cert_sign")), BY_US),
    "cRLSign": (ours(WRITER, usage=usage("digital_signature", "crl_sign")), BY_US),
    "no key usage": (ours(WRITER, usage=None), BY_US),
    "no digitalSignature": (ours(WRITER, usage=usage("key_agreement")), BY_TLS),
    "for servers only": (ours(WRITER, extended=[SERVER]), BY_TLS),
    "expired": (ours(WRITER, lifetime=-timedelta(hours=1)), BY_TLS),
    "not valid yet": (ours(WRITER, not_before=now() + HOUR), BY_TLS),
}


@pytest.mark.parametrize(("forge", "refusal"), ATTACKS.values(), ids=ATTACKS.keys())
async def test_a_bad_certificate_gets_nothing(
    forge: Forge, refusal: tuple[grpc.StatusCode, str], open_peer_door: OpenPeerDoor
) -> None:
    partner = Authority("partner.org", now=now())
    door = await open_peer_door(
        bundles={"partner.org": partner.bundle}, trust_domains=("example.org", "partner.org")
    )
    async with door.channel(forge(door, partner)) as channel:
        found = await refused(ask(channel))
    assert (found.code, found.reason) == refusal
    assert door.echo.begun == 0
    assert not list(door.listener.accounts())
    async with door.channel(door.issue()) as channel:
        assert WRITER in await ask(channel)
