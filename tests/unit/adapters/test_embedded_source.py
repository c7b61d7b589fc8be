"""The embedded authority issues what the configuration fixes, and renews it in time."""

import asyncio
import base64
import contextlib
import hashlib
import json
from datetime import timedelta

import pytest

from governd.adapters.embedded_ca import LEAF_LIFETIME, EmbeddedAuthority
from governd.adapters.embedded_jwt import LIFETIME, JwtAuthority
from governd.adapters.embedded_source import EmbeddedSource
from governd.errors import NoIdentityError
from governd.identity import SpiffeId
from governd.identity.svid import Workload, WorkloadSvids
from tests.fakes.time import NOON, FakeTime

WEB = Workload("web", spiffe_id=SpiffeId.parse("spiffe://example.org/web"))
FOREIGN = Workload("other", spiffe_id=SpiffeId.parse("spiffe://example.com/web"))


def source_in(time: FakeTime) -> EmbeddedSource:
    authority = EmbeddedAuthority("example.org", NOON)
    return EmbeddedSource(authority, wall_clock=time.wall_clock, sleep=time.sleep)


async def test_a_certificate_is_renewed_with_a_new_key_at_half_of_its_lifetime() -> None:
    time, half = FakeTime(), LEAF_LIFETIME / 2
    async with contextlib.aclosing(source_in(time).svids(WEB)) as said:
        (first,) = (await anext(said)).svids
        renewed = asyncio.ensure_future(anext(said))
        await time.advance(half.total_seconds() - 1)
        assert not renewed.done()
        await time.advance(1)
        (second,) = (await renewed).svids
    assert first.not_after == NOON + LEAF_LIFETIME
    assert second.not_after == NOON + LEAF_LIFETIME + half
    assert (second.spiffe_id, second.key == first.key) == (first.spiffe_id, False)


async def test_an_id_of_another_trust_domain_is_not_issued() -> None:
    source = source_in(FakeTime())
    with pytest.raises(NoIdentityError, match=r"example\.com"):
        await anext(source.svids(FOREIGN))
    with pytest.raises(NoIdentityError):
        await source.jwt_svids(FOREIGN, ["bank"])


async def test_without_a_fixed_id_there_is_none_whatever_the_selectors() -> None:
    async with contextlib.aclosing(source_in(FakeTime()).svids(Workload("pod"))) as said:
        assert await anext(said) == WorkloadSvids()


async def test_a_token_counts_for_five_minutes() -> None:
    (svid,) = await source_in(FakeTime()).jwt_svids(WEB, ["bank"])
    assert svid.not_after == NOON + LIFETIME == NOON + timedelta(minutes=5)


def test_a_signing_key_has_its_thumbprint_for_an_id_and_no_private_part() -> None:
    (key,) = json.loads(JwtAuthority().key_set())["keys"]
    public = {name: key[name] for name in ("crv", "kty", "x", "y")}
    text = json.dumps(public, separators=(",", ":")).encode()
    digest = base64.urlsafe_b64encode(hashlib.sha256(text).digest()).decode()
    assert key["kid"] == digest.rstrip("=")
    assert "d" not in key


def test_authorities_have_keys_of_their_own() -> None:
    assert JwtAuthority().key_set() != JwtAuthority().key_set()
    assert "PrivateKey" not in repr(JwtAuthority())
