"""A statement is somebody's only if a leaf of a trusted domain signed it, in its one form."""

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from governd.identity import x5c
from governd.identity.verification import Verifier
from governd.identity.x5c import Fault, X5cError, seal, unseal
from governd.identity.x509_rules import thumbprint
from tests.fakes.authority import NOON, Authority
from tests.fakes.forge import SIGNER, Forge
from tests.fakes.signer import FakeSigner
from tests.fakes.token_issuer import encode

TYPE = "acting-as+jwt"
FORGE = Forge()
VERIFIER = FORGE.verifier
PAYLOAD = b'{"a":1}'


def fault(text: str, verifier: Verifier = VERIFIER, limit: int = 8192) -> Fault:
    with pytest.raises(X5cError) as raised:
        unseal(text, TYPE, verifier, NOON, max_bytes=limit)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__, "a parser's words may quote the token"
    return raised.value.fault


def changed(**header: object) -> Fault:
    return fault(FORGE.sealed(PAYLOAD, FORGE.header(**header)))


def test_what_a_signer_seals_is_opened_with_its_trust_bundle() -> None:
    opened = unseal(seal(PAYLOAD, TYPE, FORGE.signer), TYPE, VERIFIER, NOON, max_bytes=8192)
    assert opened.payload == PAYLOAD
    assert str(opened.signer.spiffe_id) == SIGNER


def test_the_header_is_alg_typ_and_the_chain_leaf_first_in_plain_base64() -> None:
    signer = FakeSigner()
    header, payload, signature = seal(PAYLOAD, TYPE, signer).split(".")
    decoded = json.loads(base64.urlsafe_b64decode(header + "=="))
    chain = [base64.b64encode(der).decode() for der in signer.certificate_chain]
    assert decoded == {"alg": "ES256", "typ": TYPE, "x5c": chain}
    assert signature == encode(signer.sign(f"{header}.{payload}".encode()))


def test_an_intermediate_is_followed_to_the_root() -> None:
    root = Authority()
    forge = Forge(authority=root.intermediate())
    verifier = Verifier({"example.org": root.bundle})
    assert unseal(forge.sealed(PAYLOAD), TYPE, verifier, NOON, max_bytes=8192).payload == PAYLOAD


@pytest.mark.parametrize("algorithm", x5c.ALGORITHMS)
def test_every_algorithm_of_the_profile_is_taken(algorithm: str) -> None:
    key = None if algorithm.startswith("ES") else rsa.generate_private_key(65537, 2048)
    forge = Forge(algorithm=algorithm, key=key)
    text = forge.sealed(PAYLOAD)
    assert unseal(text, TYPE, forge.verifier, NOON, max_bytes=8192).payload == PAYLOAD


@pytest.mark.parametrize(
    "text", ["", ".", "..", "a.b", "a.b.c.d", "é.a.a", "a.a.a=", "YQ.YR.YQ", "Y Q.YQ.YQ"]
)
def test_what_is_no_compact_serialisation_is_refused(text: str) -> None:
    assert fault(text) is Fault.FORM


def test_an_oversized_text_is_refused_before_it_is_read() -> None:
    text = FORGE.sealed(PAYLOAD)
    assert fault(text, limit=len(text) - 1) is Fault.FORM
    assert unseal(text, TYPE, VERIFIER, NOON, max_bytes=len(text)).payload == PAYLOAD


@pytest.mark.req("r-3", part=True)
@pytest.mark.parametrize(
    "name", ["kid", "jku", "jwk", "x5u", "x5t", "x5t#S256", "crit", "b64", "cty", "zip"]
)
def test_attack_a_header_that_brings_a_key_or_more(name: str) -> None:
    assert changed(**{name: "https://evil.example/keys"}) is Fault.HEADER


@pytest.mark.parametrize("name", ["alg", "typ", "x5c"])
def test_a_header_that_is_missing_is_refused(name: str) -> None:
    assert changed(**{name: None}) is Fault.HEADER


def test_attack_a_header_twice() -> None:
    text = json.dumps(FORGE.header()).replace("{", '{"alg":"none",', 1)
    assert fault(FORGE.signed(f"{encode(text.encode())}.{encode(PAYLOAD)}")) is Fault.HEADER


@pytest.mark.parametrize("header", [b"[]", b"{", b"\xff", b'{"a":' * 600])
def test_a_header_that_is_no_object_is_refused(header: bytes) -> None:
    assert fault(FORGE.signed(f"{encode(header)}.{encode(PAYLOAD)}")) is Fault.HEADER


@pytest.mark.parametrize("typ", ["JWT", "Acting-As+jwt", "kya-attestation+jwt", "", 1, ["a"], {}])
def test_attack_a_token_of_another_kind(typ: object) -> None:
    assert changed(typ=typ) is Fault.TYPE


@pytest.mark.parametrize(
    "algorithm", ["none", "HS256", "es256", "ES512", "EdDSA", "RS512", "", 1, ["ES256"], {}]
)
def test_attack_an_algorithm_that_is_not_the_profiles(algorithm: object) -> None:
    assert changed(alg=algorithm) is Fault.ALGORITHM


@pytest.mark.parametrize("algorithm", ["ES384", "RS256", "PS256"])
def test_attack_an_algorithm_that_is_not_the_keys(algorithm: str) -> None:
    assert changed(alg=algorithm) is Fault.ALGORITHM


def test_attack_another_algorithm_of_the_same_key() -> None:
    forge = Forge(algorithm="RS256", key=rsa.generate_private_key(65537, 2048))
    assert fault(forge.sealed(PAYLOAD, forge.header(alg="PS256")), forge.verifier) is (
        Fault.SIGNATURE
    )


def test_a_key_of_another_kind_signs_nothing() -> None:
    keys = (ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP521R1()))
    for key in keys:
        issued = FORGE.authority.issue(SIGNER, key=key)
        chain = [base64.b64encode(der).decode() for der in issued.chain]
        assert changed(x5c=chain) in {Fault.ALGORITHM, Fault.SIGNER}


@pytest.mark.parametrize(
    "chain",
    [[], "x", {}, [1], [None], ["!"], ["YQ"], ["YR=="], ["Y Q=="], [""] * 6, ["-_8="]],
)
def test_what_is_no_list_of_certificates_is_refused(chain: object) -> None:
    assert changed(x5c=chain) is Fault.CHAIN


def test_attack_an_oversized_chain() -> None:
    leaf = FORGE.header()["x5c"][0]
    assert changed(x5c=[leaf] * 6) is Fault.CHAIN
    assert unseal(
        FORGE.sealed(PAYLOAD, FORGE.header(x5c=[leaf] * 5)), TYPE, VERIFIER, NOON, max_bytes=9000
    )


def test_what_is_no_certificate_is_no_signer() -> None:
    assert changed(x5c=["YQ=="]) is Fault.SIGNER
    joined = base64.b64encode(b"".join(FORGE.chain * 2)).decode()
    assert changed(x5c=[joined]) is Fault.SIGNER


@pytest.mark.req("r-3", part=True)
def test_attack_a_root_in_the_chain() -> None:
    forge = Forge()
    root = base64.b64encode(forge.authority.bundle[0]).decode()
    text = forge.sealed(PAYLOAD, forge.header(x5c=[*forge.header()["x5c"], root]))
    assert fault(text) is Fault.SIGNER


def test_attack_a_root_of_another_trust_domain() -> None:
    other = Authority("evil.example")
    forge = Forge(authority=other)  # says that it is of ours
    verifier = Verifier({"example.org": FORGE.authority.bundle, "evil.example": other.bundle})
    assert fault(forge.sealed(PAYLOAD), verifier) is Fault.SIGNER


@pytest.mark.parametrize(
    "leaf",
    [
        {"ca": True},
        {"uris": (SIGNER, f"{SIGNER}-2")},
        {"uris": ()},
        {"lifetime": -timedelta(hours=1), "not_before": NOON - timedelta(seconds=1)},
        {"usage": None},
    ],
)
def test_attack_a_leaf_that_breaks_a_rule(leaf: dict[str, Any]) -> None:
    forge = Forge(authority=FORGE.authority, **leaf)
    assert fault(forge.sealed(PAYLOAD)) is Fault.SIGNER


@pytest.mark.parametrize("signature", [b"\0" * 64, b"x", b"\xff" * 64, b"x" * 96])
def test_attack_a_signature_of_nothing(signature: bytes) -> None:
    message = FORGE.sealed(PAYLOAD).rpartition(".")[0]
    assert fault(f"{message}.{encode(signature)}") is Fault.SIGNATURE


def test_attack_a_signature_with_another_key() -> None:
    forge = Forge(authority=FORGE.authority)
    assert fault(forge.sealed(PAYLOAD, FORGE.header())) is Fault.SIGNATURE


def test_attack_another_payload() -> None:
    header, _, signature = FORGE.sealed(PAYLOAD).split(".")
    assert fault(f"{header}.{encode(b'{}')}.{signature}") is Fault.SIGNATURE


def test_certificates_that_were_seen_are_not_verified_again_until_a_bundle_changes() -> None:
    verifier = FORGE.verifier
    first = unseal(FORGE.sealed(PAYLOAD), TYPE, verifier, NOON, max_bytes=8192).signer
    again = unseal(FORGE.sealed(b"{}"), TYPE, verifier, NOON, max_bytes=8192).signer
    assert again is first
    verifier.replace({})
    assert fault(FORGE.sealed(PAYLOAD), verifier) is Fault.SIGNER
    assert fault(FORGE.sealed(PAYLOAD), verifier) is Fault.SIGNER


def test_attack_certificates_that_were_seen_divided_up_otherwise() -> None:
    root = Authority()
    forge = Forge(authority=root.intermediate())
    verifier = Verifier({"example.org": root.bundle})
    assert unseal(forge.sealed(PAYLOAD), TYPE, verifier, NOON, max_bytes=8192).payload == PAYLOAD
    joined = base64.b64encode(b"".join(forge.chain)).decode()
    assert fault(forge.sealed(PAYLOAD, forge.header(x5c=[joined])), verifier) is Fault.SIGNER


def test_a_thumbprint_is_a_sha_256_in_base64url() -> None:
    assert thumbprint(b"") == "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
