"""A signature counts with a key that the verifier chose, over what came, for whom it is."""

import json
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc.jwk import ECKey

from governd.identity import jose
from governd.kya.card_keys import CardKeys, PinnedKey
from governd.kya.card_signature import SignatureStatus, Vouched, check_signatures
from tests.agent_cards import (
    ACME,
    AUTHORITY,
    CALLER,
    PARTNER,
    THIEF,
    Key,
    World,
    card,
    jwk,
    old_card,
    pinned,
    read,
    self_signed,
    signature,
    signed,
)
from tests.fakes.authority import HOUR, NOON, new_key

STRANGER = new_key()
RSA = rsa.generate_private_key(65537, 2048)
P384 = ec.generate_private_key(ec.SECP384R1())
OWN = AUTHORITY.issue(str(CALLER))


def vouched(members: dict[str, Any], world: World | None = None, caller: Any = CALLER) -> Vouched:
    """What is known of a card's signatures."""
    return check_signatures(read(members), (world or World()).trust(caller))[0]


def status(members: dict[str, Any], world: World | None = None) -> SignatureStatus:
    return vouched(members, world).status


@pytest.mark.req("gi-6", part=True)
def test_a_card_that_its_providers_key_signed_is_verified() -> None:
    found = vouched(signed(card()))
    thumbprint = ECKey.import_key(json.loads(jwk(ACME, "acme-1"))).thumbprint()
    assert found == Vouched(SignatureStatus.VERIFIED, "acme-1", thumbprint, by_provider=True)
    assert found.counts(NOON)
    assert not found.by_caller


@pytest.mark.parametrize(
    ("key", "algorithm"), [(ACME, "ES256"), (P384, "ES384"), (RSA, "RS256"), (RSA, "PS256")]
)
def test_every_algorithm_of_a_trusted_key_is_taken(key: Key, algorithm: str) -> None:
    world = World(keys=[pinned(key, "k")])
    assert status(signed(card(), key, kid="k", alg=algorithm), world) is SignatureStatus.VERIFIED


def test_a_card_without_signatures_is_unsigned() -> None:
    assert vouched(card()) == Vouched(SignatureStatus.UNSIGNED)


@pytest.mark.req("gi-6", part=True)
@pytest.mark.parametrize(
    "change",
    [
        {"name": "Planner"},
        {"skills": []},
        {"url": "https://evil.example"},
        {"securityRequirements": [{"schemes": {"none": {}}}]},
        {"capabilities": {"streaming": True, "pushNotifications": False}},
    ],
    ids=str,
)
def test_a_card_that_was_changed_after_it_was_signed_fails(change: dict[str, Any]) -> None:
    found = vouched({**signed(card()), **change})
    assert (found.status, found.detail) == (
        SignatureStatus.FAILED,
        "is not signed with that key",
    )


def test_a_signature_over_what_a_lossy_reader_keeps_fails() -> None:
    """Section 8.4: the member that the signer never saw would be believed all the same."""
    lossy = signature(ACME, read(card()).payload, {"alg": "ES256", "kid": "acme-1"})
    members = {**card(trust="full"), "signatures": [lossy]}
    assert status(members) is SignatureStatus.FAILED


@pytest.mark.req("gi-6", part=True)
def test_a_key_that_nobody_configured_is_not_trusted() -> None:
    found = vouched(signed(card(), STRANGER, kid="evil"))
    assert found.status is SignatureStatus.UNTRUSTED_KEY
    assert found.detail == "no such key is configured for the card's provider"
    assert not found.thumbprint


def test_a_key_signs_for_its_own_provider_only() -> None:
    other = card(provider={"organization": "Globex", "url": "https://globex.example"})
    assert status(signed(other)) is SignatureStatus.UNTRUSTED_KEY
    assert status(signed(card(provider=None))) is SignatureStatus.UNTRUSTED_KEY


def test_a_name_of_a_trusted_key_is_not_the_key() -> None:
    assert status(signed(card(), STRANGER)) is SignatureStatus.FAILED


@pytest.mark.req("gi-6", part=True)
def test_a_jku_is_never_followed() -> None:
    """It would have governd fetch keys, or anything else, from wherever the card says."""
    jku = "http://169.254.169.254/latest/meta-data"
    found = vouched(signed(card(), STRANGER, kid="evil", jku=jku))
    assert found.status is SignatureStatus.UNTRUSTED_KEY
    assert found.detail == "jku is not followed, and no key is configured"


def test_a_jku_beside_a_configured_key_means_nothing() -> None:
    found = vouched(signed(card(), jku="https://acme.example/keys"))
    assert found.status is SignatureStatus.VERIFIED


@pytest.mark.req("gi-6", part=True)
def test_an_unprotected_header_is_not_read() -> None:
    members = signed(card(), STRANGER)
    members["signatures"][0]["header"] = {"kid": "acme-1", "alg": "none", "jwk": {}, "x5c": []}
    assert status(members) is SignatureStatus.FAILED
    members = signed(card())
    members["signatures"][0]["header"] = {"kid": "evil", "alg": "none"}
    assert status(members) is SignatureStatus.VERIFIED


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ({"crit": ["exp"]}, "has the header crit"),
        ({"b64": False}, "has the header b64"),
        ({"jwk": {"kty": "EC"}}, "has the header jwk"),
        ({"x5u": "https://evil.example"}, "has the header x5u"),
        ({"typ": "JWT"}, "has another type than JOSE"),
        ({"typ": "acting-as+jwt"}, "has another type than JOSE"),
        ({"kid": None}, "kid: expected 1 to 512 characters"),
        ({"kid": ""}, "kid: expected 1 to 512 characters"),
        ({"kid": 1}, "kid: expected 1 to 512 characters"),
        ({"kid": "a" * 513}, "kid: expected 1 to 512 characters"),
    ],
)
def test_a_header_that_would_mean_something_else_is_refused(
    header: dict[str, Any], why: str
) -> None:
    full = {"alg": "ES256", "kid": "acme-1", **header}
    kept = {name: one for name, one in full.items() if one is not None}
    one = signature(ACME, read(card()).payload, kept)
    found = vouched({**card(), "signatures": [one]})
    assert (found.status, found.detail) == (SignatureStatus.FAILED, why)


@pytest.mark.parametrize("algorithm", ["none", "HS256", "ES512", "EdDSA", "", None, ["ES256"]])
def test_an_algorithm_that_proves_nothing_is_refused(algorithm: Any) -> None:
    members = signed(card())
    header = {"alg": algorithm, "kid": "acme-1"}
    members["signatures"][0]["protected"] = jose.encode(json.dumps(header).encode())
    found = vouched(members)
    assert found.status is SignatureStatus.FAILED
    assert found.detail.startswith("alg: expected one of ES256")


def test_a_type_is_not_needed() -> None:
    assert status(signed(card(), typ=None)) is SignatureStatus.VERIFIED


def test_an_algorithm_is_that_of_the_key() -> None:
    members = signed(card(), alg="RS256")
    assert vouched(members).detail == "alg: is not that of the key"


@pytest.mark.parametrize(
    "changes",
    [
        {"protected": "!"},
        {"protected": "e30="},
        {"protected": "W10"},
        {"protected": jose.encode(b'{"alg":"ES256","alg":"ES256","kid":"acme-1"}')},
        {"protected": "\u00e9"},
        {"signature": "a"},
        {"signature": "!"},
    ],
    ids=str,
)
def test_a_signature_that_does_not_parse_fails(changes: dict[str, str]) -> None:
    members = signed(card())
    members["signatures"][0] |= changes
    found = vouched(members)
    assert (found.status, found.detail) == (SignatureStatus.FAILED, "does not parse")


def test_a_key_that_has_ended_counts_no_more() -> None:
    world = World(keys=[pinned(not_after=NOON)])
    found = vouched(signed(card()), world)
    assert (found.status, found.detail) == (SignatureStatus.UNTRUSTED_KEY, "the key has ended")


def test_a_key_that_will_end_counts_until_then() -> None:
    found = vouched(signed(card()), World(keys=[pinned(not_after=NOON + HOUR)]))
    assert found.counts(NOON + HOUR - timedelta(seconds=1))
    assert not found.counts(NOON + HOUR)


def test_what_is_not_verified_never_counts() -> None:
    failed = Vouched(SignatureStatus.FAILED)
    assert not failed.counts(NOON)
    assert failed.at(NOON) == failed


def test_a_key_that_has_ended_since_is_told_like_one_that_had() -> None:
    members = signed(card())
    found = vouched(members, World(keys=[pinned(not_after=NOON + HOUR)]))
    assert found.at(NOON) == found
    assert found.at(NOON + HOUR) == vouched(members, World(keys=[pinned(not_after=NOON)]))


@pytest.mark.req("gi-6", part=True)
def test_the_callers_own_svid_signs_its_card() -> None:
    found = vouched(self_signed(card(), OWN))
    assert found.by_caller
    assert found.not_after == NOON + HOUR
    assert found.key_id == "svid"


@pytest.mark.req("gi-6", part=True)
def test_another_agents_svid_signs_nothing_for_the_caller() -> None:
    """A card is public: whoever shows it is not who signed it."""
    members = self_signed(card(), OWN)
    found = vouched(members, caller=THIEF)
    assert found.status is SignatureStatus.UNTRUSTED_KEY
    assert found.detail == "x5c: is not the caller's own X.509-SVID"


@pytest.mark.parametrize(
    "issued",
    [
        AUTHORITY.issue(str(CALLER), not_before=NOON - 2 * HOUR),
        PARTNER.issue(str(CALLER)),
        AUTHORITY.issue(str(CALLER), "spiffe://example.org/ns/shop/sa/other"),
        AUTHORITY.issue(str(CALLER), ca=True),
        AUTHORITY.issue("https://example.org/ns/shop/sa/planner"),
    ],
    ids=["expired", "of another domain", "two names", "an authority", "no SPIFFE ID"],
)
def test_a_certificate_that_is_no_svid_now_proves_nothing(issued: Any) -> None:
    assert status(self_signed(card(), issued)) is SignatureStatus.UNTRUSTED_KEY


@pytest.mark.parametrize("x5c", [[], "MA==", [1], ["!"], ["MA"], ["MA=="] * 6, ["MA=="]], ids=str)
def test_a_chain_that_does_not_parse_proves_nothing(x5c: Any) -> None:
    assert status(self_signed(card(), OWN, x5c=x5c)) is SignatureStatus.UNTRUSTED_KEY


def test_a_key_beside_the_certificate_is_not_the_callers() -> None:
    own = self_signed(card(), OWN)
    header = json.loads(jose.decode(own["signatures"][0]["protected"].encode()))
    forged = signed(card(), STRANGER, **header)
    assert status(forged) is SignatureStatus.FAILED


def test_a_jku_beside_a_certificate_is_refused() -> None:
    members = self_signed(card(), OWN, jku="https://evil.example")
    assert status(members) is SignatureStatus.UNTRUSTED_KEY


def test_of_several_signatures_the_best_counts() -> None:
    """So that keys can be changed, whatever others add."""
    members = signed(signed(self_signed(card(), OWN), STRANGER), kid="acme-1")
    members = signed(members, STRANGER, kid="evil")
    found = check_signatures(read(members), World().trust())
    assert [one.status for one in found] == [
        SignatureStatus.VERIFIED,
        SignatureStatus.VERIFIED,
        SignatureStatus.FAILED,
        SignatureStatus.UNTRUSTED_KEY,
    ]
    assert [one.by_provider for one in found[:2]] == [True, False]


def test_of_two_keys_the_one_that_lasts_longer_counts() -> None:
    keys = [pinned(not_after=NOON + HOUR), pinned(STRANGER, "acme-2", not_after=NOON + 2 * HOUR)]
    members = signed(signed(card()), STRANGER, kid="acme-2")
    assert vouched(members, World(keys=keys)).key_id == "acme-2"


def test_signatures_of_older_cards_cannot_be_verified() -> None:
    assert status(signed(old_card())) is SignatureStatus.UNVERIFIABLE
    assert status(old_card()) is SignatureStatus.UNSIGNED


@pytest.mark.parametrize(
    "text",
    [
        jwk(ACME, "k", alg="ES384"),
        jwk(ACME, "k", alg=["ES256"]),
        jwk(ACME, "k", d="AA"),
        jwk(ACME, ""),
        jwk(ec.generate_private_key(ec.SECP521R1()), "k"),
        b"{}",
        b"[]",
        b'{"kty":"oct","k":"AA","kid":"k"}',
    ],
)
def test_a_key_that_no_card_is_signed_with_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        PinnedKey.parse("Acme", text)


def test_a_key_of_one_algorithm_is_used_with_no_other() -> None:
    key = PinnedKey.parse("Acme", jwk(RSA, "k", alg="PS256"))
    assert key.algorithms == {"PS256"}
    world = World(keys=[key])
    assert status(signed(card(), RSA, kid="k", alg="RS256"), world) is SignatureStatus.FAILED


def test_two_keys_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="Acme: has two keys of the kid acme-1"):
        CardKeys([pinned(), pinned(STRANGER)])
    assert CardKeys([pinned(), pinned(STRANGER, provider="Globex")]).find("Globex", "acme-1")
