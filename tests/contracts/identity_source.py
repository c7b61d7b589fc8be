"""What every source of identities does: the fake, the embedded authority and SPIRE.

A test module subclasses ``IdentitySourceContract`` and gives it a fixture ``subject``.
"""

import base64
import contextlib
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_der_private_key

from governd.errors import NoIdentityError
from governd.identity import SpiffeId
from governd.identity.ports import IdentitySource
from governd.identity.svid import TrustBundles, Workload, WorkloadSvids
from governd.identity.verification import verify_svid

WEB = SpiffeId.parse("spiffe://example.org/web")


@dataclass(frozen=True)
class Subject:
    """A source in the trust domain ``example.org``, and for whom it issues.

    Attributes:
        source: The source.
        known: A workload to which it issues ``WEB`` and nothing else.
        fixed: The same with ``WEB`` as the only ID that it may have.
        stranger: A workload to which it issues nothing.
    """

    source: IdentitySource
    known: Workload
    fixed: Workload
    stranger: Workload


async def first_svids(source: IdentitySource, workload: Workload) -> WorkloadSvids:
    """The first that a subscription tells."""
    async with contextlib.aclosing(source.svids(workload)) as said:
        return await anext(said)


async def first_bundles(source: IdentitySource) -> TrustBundles:
    """The first that a subscription tells."""
    async with contextlib.aclosing(source.bundles()) as said:
        return await anext(said)


class IdentitySourceContract:
    """The tests."""

    async def test_a_workload_gets_its_id_with_the_key_to_it(self, subject: Subject) -> None:
        (svid,) = (await first_svids(subject.source, subject.known)).svids
        leaf = x509.load_der_x509_certificate(svid.chain[0])
        key = load_der_private_key(svid.key.reveal(), None)
        assert svid.spiffe_id == WEB
        assert key.public_key() == leaf.public_key()
        assert (svid.not_before, svid.not_after) == (
            leaf.not_valid_before_utc,
            leaf.not_valid_after_utc,
        )
        assert svid.not_after.utcoffset() == timedelta(0)

    async def test_what_is_issued_verifies_with_the_trust_bundle(self, subject: Subject) -> None:
        (svid,) = (await first_svids(subject.source, subject.known)).svids
        bundles = await first_bundles(subject.source)
        peer = verify_svid(svid.chain, bundles.x509, svid.not_after - timedelta(seconds=1))
        assert peer.spiffe_id == WEB

    async def test_a_fixed_id_excludes_every_other(self, subject: Subject) -> None:
        (svid,) = (await first_svids(subject.source, subject.fixed)).svids
        assert svid.spiffe_id == subject.fixed.spiffe_id == WEB

    async def test_a_stranger_is_told_that_it_has_nothing(self, subject: Subject) -> None:
        assert await first_svids(subject.source, subject.stranger) == WorkloadSvids()

    async def test_a_token_is_for_exactly_the_audiences_that_were_asked_for(
        self, subject: Subject
    ) -> None:
        (svid,) = await subject.source.jwt_svids(subject.known, ["one", "two"])
        claims = verified_claims(svid.token.reveal(), await first_bundles(subject.source))
        assert svid.spiffe_id == WEB
        assert (claims["sub"], sorted(claims["aud"])) == (str(WEB), ["one", "two"])
        assert claims["exp"] == svid.not_after.timestamp()

    async def test_a_token_for_one_audience(self, subject: Subject) -> None:
        (svid,) = await subject.source.jwt_svids(subject.fixed, ["one"])
        claims = verified_claims(svid.token.reveal(), await first_bundles(subject.source))
        assert claims["aud"] in ("one", ["one"])

    async def test_a_stranger_gets_no_token(self, subject: Subject) -> None:
        with pytest.raises(NoIdentityError):
            await subject.source.jwt_svids(subject.stranger, ["one"])

    async def test_the_trust_bundle_of_the_trust_domain_is_there(self, subject: Subject) -> None:
        bundles = await first_bundles(subject.source)
        assert list(bundles.x509) == list(bundles.jwt) == ["example.org"]
        assert not bundles.refused
        for der in bundles.x509["example.org"]:
            x509.load_der_x509_certificate(der)

    async def test_subscriptions_are_independent_and_can_be_begun_again(
        self, subject: Subject
    ) -> None:
        async with contextlib.aclosing(subject.source.svids(subject.known)) as other:
            await anext(other)
            for _ in range(3):
                assert (await first_svids(subject.source, subject.known)).svids

    async def test_no_key_and_no_token_shows(self, subject: Subject) -> None:
        said = await first_svids(subject.source, subject.known)
        tokens = await subject.source.jwt_svids(subject.known, ["one"])
        shown = f"{said!r} {said} {tokens!r}"
        assert repr(said.svids[0].key.reveal()) not in shown
        assert tokens[0].token.reveal().decode() not in shown

    def test_it_has_a_name(self, subject: Subject) -> None:
        assert subject.source.name


def verified_claims(token: bytes, bundles: TrustBundles) -> dict[str, Any]:
    """The claims of a token that the trust bundle of ``example.org`` verifies."""
    header, claims, signature = (
        base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4)) for part in token.split(b".")
    )
    keys = {key["kid"]: key for key in json.loads(bundles.jwt["example.org"])["keys"]}
    key = keys[json.loads(header)["kid"]]
    x, y = (
        int.from_bytes(base64.urlsafe_b64decode(key[name] + "=" * (-len(key[name]) % 4)))
        for name in "xy"
    )
    public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
    signed = token.rpartition(b".")[0]
    public.verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))
    found: dict[str, Any] = json.loads(claims)
    return found
