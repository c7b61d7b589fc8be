"""Identities are told as the Workload API standard has them."""

import json
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_der_private_key
from google.protobuf.json_format import MessageToDict

from governd.application.workload_view import View
from governd.errors import RequestError
from governd.identity import SpiffeId
from governd.identity.jwt_verification import VerifiedToken
from governd.identity.secret import Secret
from governd.identity.svid import JwtSvid, X509Svid
from governd.services import workload_messages as convert
from tests.fakes.authority import NOON, Authority
from tests.fakes.token_issuer import TokenIssuer

ROOT, PARTNER = Authority(), Authority("partner.example")
WEB, API = "spiffe://example.org/web", "spiffe://example.org/api"


def svid(spiffe_id: str, hint: str = "") -> X509Svid:
    issued = ROOT.intermediate().issue(spiffe_id)
    key = Secret(issued.key_der)
    return X509Svid(SpiffeId.parse(spiffe_id), issued.chain, key, hint, NOON, NOON)


def seen(*svids: X509Svid) -> View:
    x509_bundles = {"example.org": ROOT.bundle * 2, "partner.example": PARTNER.bundle}
    keys = {"example.org": TokenIssuer().key_set(), "partner.example": b'{"keys": []}'}
    return View(svids, x509_bundles, keys)


@pytest.mark.req("sa-3", part=True)
def test_an_svid_is_chain_key_and_bundle_in_der() -> None:
    held = svid(WEB, "internal")
    message = convert.issued(convert.see_issued(seen(held)))
    (one,) = message.svids
    assert (one.spiffe_id, one.hint) == (WEB, "internal")
    assert one.x509_svid == held.chain[0] + held.chain[1]
    key = load_der_private_key(one.x509_svid_key, None)
    assert key.public_key() == x509.load_der_x509_certificate(held.chain[0]).public_key()
    assert one.bundle == ROOT.bundle[0] * 2
    assert not message.crl


@pytest.mark.req("sa-2", part=True)
def test_federated_bundles_are_keyed_by_the_id_of_their_trust_domain() -> None:
    message = convert.issued(convert.see_issued(seen(svid(WEB))))
    assert dict(message.federated_bundles) == {"spiffe://partner.example": PARTNER.bundle[0]}


def test_the_default_svid_comes_first_and_no_hint_twice() -> None:
    held = [svid(WEB, "internal"), svid(API, "internal"), svid(API), svid(WEB)]
    message = convert.issued(convert.see_issued(seen(*held)))
    assert [(one.spiffe_id, one.hint) for one in message.svids] == [
        (WEB, "internal"),
        (API, ""),
        (API, ""),
        (WEB, ""),
    ]


def test_trust_bundles_are_keyed_by_the_id_of_their_trust_domain() -> None:
    message = convert.x509_authorities(seen(svid(WEB)).x509)
    assert dict(message.bundles) == {
        "spiffe://example.org": ROOT.bundle[0] * 2,
        "spiffe://partner.example": PARTNER.bundle[0],
    }
    assert not message.crl


def test_jwt_bundles_have_keys_for_jwt_svids_alone() -> None:
    issuer = TokenIssuer()
    mixed = issuer.key_set(issuer.jwk(kid="other", use="wit-svid"))
    view = View((svid(WEB),), {}, {"example.org": mixed, "partner.example": b'{"keys": []}'})
    message = convert.jwt_authorities(convert.see_jwt_keys(view))
    assert json.loads(message.bundles["spiffe://example.org"]) == {"keys": [issuer.jwk()]}
    assert message.bundles["spiffe://partner.example"] == b'{"keys": []}'


def test_tokens_are_told_with_their_ids() -> None:
    held = [
        JwtSvid(SpiffeId.parse(name), Secret(b"a.b.c"), "internal", NOON) for name in (WEB, API)
    ]
    message = convert.tokens(held)
    assert [(one.spiffe_id, one.svid, one.hint) for one in message.svids] == [
        (WEB, "a.b.c", "internal"),
        (API, "a.b.c", ""),
    ]


def verified(claims: dict[str, object]) -> VerifiedToken:
    return VerifiedToken(SpiffeId.parse(WEB), claims, datetime.max.replace(tzinfo=UTC))


def test_claims_are_told_as_they_are() -> None:
    claims: dict[str, object] = {
        "sub": WEB,
        "aud": ["a", "b"],
        "exp": 1_800_000_000,
        "none": None,
        "deep": {"list": [1.5, True, {}], "": "empty"},
    }
    message = convert.validated(verified(claims))
    assert message.spiffe_id == WEB
    assert MessageToDict(message.claims) == claims


def nested(levels: int) -> object:
    return [nested(levels - 1)] if levels else 1


@pytest.mark.parametrize(
    "claim", [nested(150), "\ud800", 10**400], ids=["too deep", "no Unicode", "too large"]
)
def test_claims_that_no_message_can_hold_are_refused(claim: object) -> None:
    with pytest.raises(RequestError) as raised:
        convert.validated(verified({"claim": claim}))
    assert raised.value.field == "svid"
