"""Whose word a source takes is stated clearly, and no key of it is a secret."""

import json
from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey, RSAKey

from governd.errors import PolicyError
from governd.policy.manifest import Manifest
from governd.policy.trusted import Issuer
from tests.policies import ALICE, compiled, read

pytestmark = pytest.mark.req("gi-3", part=True)

P256 = ECKey.generate_key("P-256", auto_kid=True)
P521 = ECKey.generate_key("P-521", auto_kid=True)
RSA = RSAKey.generate_key(2048, auto_kid=True)
GOOD: dict[str, Any] = {"format": 1, "name": "x", "trust_domain": "example.org"}
ISSUER: dict[str, Any] = {
    "name": "corp",
    "issuer": "https://idp.example/realms/corp",
    "audiences": ["governd"],
    "kinds": ["id_token", "access_token"],
    "jwks_uri": "https://idp.example/keys",
}


def public(key: ECKey | RSAKey, **parts: str) -> dict[str, Any]:
    return {**key.as_dict(private=False), **parts}


def manifest(**parts: object) -> Manifest:
    return Manifest.model_validate({**GOOD, **parts})


def issuer(**parts: object) -> Issuer:
    members = {name: one for name, one in {**ISSUER, **parts}.items() if one is not None}
    (found,) = manifest(issuer=[members]).issuer
    return found


TABLES = f"""
[revoked]
users = ["{ALICE}"]
[[issuer]]
name = "corp"
issuer = "https://idp.example"
audiences = ["governd"]
kinds = ["id_token"]
algorithms = ["ES256"]
max_age_seconds = 600
[[issuer.key]]
kty = "EC"
kid = "1"
crv = "P-256"
x = "{public(P256)["x"]}"
y = "{public(P256)["y"]}"
[delegation]
min_binding = 3
max_depth = 2
lifetime_seconds = 60
[[delegation.signer]]
spiffe_id = "spiffe://example.org/governd/signer"
also_for = ["partner.example"]
[[kya.key]]
provider = "Example"
not_after = 2027-01-01T00:00:00Z
[kya.key.jwk]
kty = "EC"
kid = "2"
alg = "ES256"
use = "sig"
crv = "P-256"
x = "{public(P256)["x"]}"
y = "{public(P256)["y"]}"
[[kya.attester]]
spiffe_id = "spiffe://example.org/governd/signer"
max_level = 3
agents = "spiffe://example.org/ns"
[[kya.card]]
agents = "spiffe://example.org/ns/shop"
provider = "Example"
name = "Buyer"
urls = ["https://buyer.example/a2a"]
"""


def test_what_a_source_states_is_what_its_compiled_form_has() -> None:
    source, policy = read(manifest=TABLES), compiled(manifest=TABLES)
    assert policy.manifest == source.manifest
    (one,), rules, kya = policy.manifest.issuer, policy.manifest.delegation, policy.manifest.kya
    assert (one.issuer, one.max_age_seconds) == ("https://idp.example", 600)
    assert json.dumps(one.key[0].members()) == json.dumps({**one.key[0].members(), "kid": "1"})
    assert (rules.min_binding, rules.max_depth, rules.lifetime_seconds) == (3, 2, 60)
    assert rules.signer[0].also_for == ("partner.example",)
    assert (kya.key[0].provider, kya.attester[0].max_level) == ("Example", 3)
    assert kya.key[0].not_after
    assert kya.card[0].urls == ("https://buyer.example/a2a",)


def test_a_source_that_states_nothing_trusts_nobody() -> None:
    found = manifest()
    trusted = (found.issuer, found.delegation.signer, found.kya.key, found.kya.attester)
    assert not any((*trusted, found.kya.card, found.revoked.users))
    assert (found.delegation.min_binding, found.delegation.lifetime_seconds) == (2, 120)


@pytest.mark.parametrize(
    "address",
    [
        *("https://idp.example", "https://idp.example:8443/realms/corp/", "https://10.0.0.1/x"),
        *("http://127.0.0.1:8080/realms/test", "http://localhost", "http://[::1]:8080/x"),
    ],
)
def test_an_issuer_is_an_address_of_https_or_on_this_machine(address: str) -> None:
    assert issuer(issuer=address, jwks_uri=address).issuer == address


@pytest.mark.parametrize("field", ["issuer", "jwks_uri"])
@pytest.mark.parametrize(
    "address",
    [
        *("", "idp.example", "http://idp.example", "HTTPS://idp.example", "https://IDP.example"),
        *("https://", "https:///x", "https://a@idp.example", "https://idp.example/#x"),
        *("https://idp.example/?x", "https://idp.example/a/../b", "https://idp.example/%61"),
        *(
            "http://127.0.0.1.evil.example",
            "http://localhost@evil.example",
            "http://localhost.evil",
        ),
        *("spiffe://example.org/idp", "file:///etc/keys", "https://idp.example/" + "x" * 1024),
    ],
)
def test_any_other_address_is_refused(field: str, address: str) -> None:
    with pytest.raises(ValueError, match=field):
        issuer(**{field: address})


def test_keys_are_of_elliptic_curves_or_rsa() -> None:
    keys = [public(P256), public(P521, alg="ES512"), public(RSA, alg="PS256", use="sig")]
    found = issuer(jwks_uri=None, key=keys)
    assert [one.members() for one in found.key] == keys


BAD_KEYS: dict[str, dict[str, Any]] = {
    "a private key": P256.as_dict(private=True),
    "a private key of RSA": RSA.as_dict(private=True),
    "a secret": OctKey.generate_key(256, auto_kid=True).as_dict(private=True),
    "an algorithm of another curve": public(P256, alg="ES512"),
    "an algorithm of another family": public(P256, alg="RS256"),
    "a curve's algorithm for RSA": public(RSA, alg="ES256"),
    "a symmetric algorithm": public(RSA, alg="HS256"),
    "no algorithm": public(RSA, alg="none"),
    "for encryption": public(P256, use="enc"),
    "without a name": {name: one for name, one in public(P256).items() if name != "kid"},
    "a point that is on no curve": public(P256, x=public(P256)["y"]),
    "short RSA": public(RSA, n="sXch"),
    "where keys are": public(P256, x5u="https://evil.example"),
    "half a key": {"kty": "EC", "kid": "1", "crv": "P-256"},
}


@pytest.mark.parametrize("key", BAD_KEYS.values(), ids=BAD_KEYS.keys())
def test_what_is_no_public_key_for_signatures_is_refused_and_not_told(key: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"issuer\.0\.key\.0") as raised:
        issuer(jwks_uri=None, key=[key])
    secrets = (key[name] for name in ("d", "k") if name in key)
    messages = [str(one["msg"]) for one in raised.value.errors()]  # type: ignore[attr-defined]
    assert not [one for one in secrets if one in " ".join(messages)]


BAD_ISSUERS: dict[str, dict[str, Any]] = {
    "no keys": {"jwks_uri": None},
    "keys twice over": {"key": [public(P256)]},
    "two keys of one name": {"jwks_uri": None, "key": [public(P256), public(P256)]},
    "no audience": {"audiences": []},
    "an audience that no service has": {"audiences": ["HTTPS://x"]},
    "an empty audience": {"audiences": [""]},
    "no kind": {"kinds": []},
    "a kind that there is not": {"kinds": ["acting_as"]},
    "no algorithm": {"algorithms": []},
    "a symmetric algorithm": {"algorithms": ["HS256"]},
    "the algorithm none": {"algorithms": ["none"]},
    "no age": {"max_age_seconds": 0},
    "an age of more than a day": {"max_age_seconds": 86_401},
    "an age that is no number": {"max_age_seconds": True},
    "a name in capitals": {"name": "Corp"},
    "another claim for the subject": {"subject_claim": "email"},
}


@pytest.mark.parametrize("parts", BAD_ISSUERS.values(), ids=BAD_ISSUERS.keys())
def test_an_issuer_that_is_not_clear_is_refused(parts: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="issuer"):
        issuer(**parts)


def test_no_two_issuers_have_one_name_or_one_address() -> None:
    other = {**ISSUER, "name": "other", "issuer": "https://other.example"}
    assert len(manifest(issuer=[ISSUER, other]).issuer) == 2
    for same in ({**other, "name": "corp"}, {**other, "issuer": ISSUER["issuer"]}):
        with pytest.raises(ValueError, match="is stated twice"):
            manifest(issuer=[ISSUER, same])


SIGNER = {"spiffe_id": "spiffe://example.org/governd/signer"}
BAD_TABLES: dict[str, dict[str, Any]] = {
    "a lifetime of more than five minutes": {"delegation": {"lifetime_seconds": 301}},
    "no lifetime": {"delegation": {"lifetime_seconds": 0}},
    "a binding to nothing": {"delegation": {"min_binding": 0}},
    "a depth that no token has": {"delegation": {"max_depth": 9}},
    "a whole trust domain of signers": {
        "delegation": {"signer": [{"spiffe_id": "spiffe://example.org"}]}
    },
    "a signer that is no SPIFFE ID": {"delegation": {"signer": [{"spiffe_id": "node-1"}]}},
    "a signer twice": {"delegation": {"signer": [SIGNER, SIGNER]}},
    "a trust domain in capitals": {"delegation": {"signer": [{**SIGNER, "also_for": ["Example"]}]}},
    "an unknown key": {"delegation": {"signers": []}},
    "a card key without a provider": {"kya": {"key": [{"jwk": public(P256)}]}},
    "a card key that signs no cards": {"kya": {"key": [{"provider": "x", "jwk": public(P521)}]}},
    "a card key for another algorithm": {
        "kya": {"key": [{"provider": "x", "jwk": public(RSA, alg="RS512")}]}
    },
    "a card key twice": {"kya": {"key": [{"provider": "x", "jwk": public(P256)}] * 2}},
    "an end without a zone": {
        "kya": {"key": [{"provider": "x", "jwk": public(P256), "not_after": "2027-01-01T00:00:00"}]}
    },
    "a whole trust domain of attesters": {
        "kya": {"attester": [{"spiffe_id": "spiffe://example.org", "max_level": 1}]}
    },
    "an attester of no level": {"kya": {"attester": [{**SIGNER, "max_level": 0}]}},
    "a card that is anybody's": {"kya": {"card": [{"agents": "spiffe://example.org/a"}]}},
    "a card of a whole trust domain": {
        "kya": {"card": [{"agents": "spiffe://example.org", "name": "x"}]}
    },
    "a revoked user without an issuer": {"revoked": {"users": ["alice"]}},
}


@pytest.mark.parametrize("parts", BAD_TABLES.values(), ids=BAD_TABLES.keys())
def test_what_breaks_the_model_is_refused(parts: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        manifest(**parts)


def test_a_mistake_is_told_with_its_place() -> None:
    with pytest.raises(PolicyError) as raised:
        read(manifest=TABLES.replace('kid = "2"', 'kid = "2"\nd = "s3cr3t"'))
    (problem,) = raised.value.problems
    assert problem.message.startswith("kya.key.0.jwk: is a private or secret key")
    assert "s3cr3t" not in str(problem)


def test_a_change_of_whose_word_is_taken_is_a_change_of_the_source() -> None:
    assert read(manifest=TABLES).digest != read(manifest=TABLES.replace("600", "601")).digest
