"""An attestation counts for its agent, by an attester that is trusted with it, for a while."""

import base64
import json
from datetime import timedelta
from typing import Any

import pytest

from governd.errors import IdentityError, RequestError
from governd.identity import SpiffeId, jose
from governd.identity.x5c import seal
from governd.identity.x509_rules import thumbprint
from governd.kya.attestation import MAX_BYTES, TYPE, Attestation, sign, write
from governd.kya.attestation_check import (
    AttestationFault,
    AttesterRule,
    Expected,
    RejectedAttestation,
    VerifiedAttestation,
)
from governd.kya.attestation_claims import read_claims
from governd.kya.card_signature import SignatureStatus
from governd.kya.level import Level
from governd.kya.registered_agent import Checked, attest
from tests.agent_cards import (
    AUTHORITY,
    CALLER,
    NODE,
    PARTNER,
    REGISTRY,
    THIEF,
    World,
    card,
    read,
    signed,
    signer,
)
from tests.fakes.authority import HOUR, NOON, Authority

SECOND = timedelta(seconds=1)
DIGEST = read(card()).digest
OWN = thumbprint(AUTHORITY.issue(str(CALLER)).chain[0])


def attestation(**changes: Any) -> Attestation:
    """What a node attests of the caller."""
    values: dict[str, Any] = {
        "issuer": NODE,
        "subject": CALLER,
        "issued_at": NOON,
        "expires": NOON + HOUR,
        "token_id": "1",
        "certificate": OWN,
        "card_digest": DIGEST,
        "card_version": "1.2.0",
        "dialect": "1.0",
        "signature": SignatureStatus.VERIFIED,
        "key_id": "acme-1",
        "thumbprint": "t",
        "name": "planner",
        "provider": "Acme",
        "skills": ("plan",),
        "level": Level.SIGNED,
        "policy_digest": "p",
        **changes,
    }
    return Attestation(**values)


def claims(**changes: Any) -> bytes:
    """The claims of one, with some replaced; ``None`` leaves one out."""
    found = {**json.loads(write(attestation())), **changes}
    return json.dumps({name: one for name, one in found.items() if one is not None}).encode()


def check(token: str, world: World | None = None, **expected: Any) -> Checked:
    values = {"caller": CALLER, "certificates": frozenset({OWN}), "card_digest": DIGEST}
    return (world or World()).check(token, Expected(**{**values, **expected}))


def fault(token: str, world: World | None = None, **expected: Any) -> AttestationFault:
    found = check(token, world, **expected)
    assert isinstance(found, RejectedAttestation)
    assert found.detail
    return found.fault


def sealed(payload: bytes, by: SpiffeId = NODE, authority: Authority = AUTHORITY) -> str:
    return seal(payload, TYPE, signer(by, authority))


@pytest.mark.req("gi-6", part=True)
def test_what_was_attested_is_verified() -> None:
    found = check(sign(attestation(), signer()))
    assert found == VerifiedAttestation(attestation(), Level.SIGNED)


def test_what_is_empty_is_left_out() -> None:
    bare = attestation(certificate="", key_id="", thumbprint="", provider="", policy_digest="")
    assert b"cnf" not in write(bare)
    assert read_claims(write(bare)) == bare


@pytest.mark.req("gi-6", part=True)
def test_another_agents_attestation_is_refused() -> None:
    token = sign(attestation(), signer())
    assert fault(token, caller=THIEF) is AttestationFault.OTHER_AGENT


@pytest.mark.req("gi-6", part=True)
def test_an_unsigned_attestation_is_refused() -> None:
    header, payload, made = sign(attestation(), signer()).split(".")
    assert fault(f"{header}.{payload}.") is AttestationFault.MALFORMED
    none = jose.encode(json.dumps({"alg": "none", "typ": TYPE, "x5c": ["MA=="]}).encode())
    assert fault(f"{none}.{payload}.{made}") is AttestationFault.SIGNATURE
    bare = jose.encode(json.dumps({"alg": "none", "typ": TYPE}).encode())
    assert fault(f"{bare}.{payload}.{made}") is AttestationFault.MALFORMED


@pytest.mark.req("gi-6", part=True)
def test_an_attestation_that_has_ended_is_refused() -> None:
    token = sign(attestation(expires=NOON + 60 * SECOND), signer())
    assert fault(token, World(now=NOON + 60 * SECOND)) is AttestationFault.EXPIRED
    assert isinstance(check(token, World(now=NOON + 59 * SECOND)), VerifiedAttestation)


def test_clocks_may_differ_by_a_minute() -> None:
    later = attestation(issued_at=NOON + 60 * SECOND)
    assert isinstance(check(sign(later, signer())), VerifiedAttestation)
    future = sign(attestation(issued_at=NOON + 61 * SECOND), signer())
    assert fault(future) is AttestationFault.NOT_YET_VALID


def test_an_attestation_lasts_an_hour_at_most() -> None:
    long = attestation(issued_at=NOON - SECOND)
    assert fault(sign(long, signer())) is AttestationFault.LIFETIME


def test_an_attestation_ends_with_its_signers_certificates() -> None:
    by = signer(lifetime=60 * SECOND)
    token = seal(write(attestation(expires=NOON + 61 * SECOND)), TYPE, by)
    assert fault(token) is AttestationFault.LIFETIME


def test_a_payload_that_was_changed_is_refused() -> None:
    header, _, made = sign(attestation(), signer()).split(".")
    payload = jose.encode(claims(kya={"level": 3}))
    assert fault(f"{header}.{payload}.{made}") is AttestationFault.SIGNATURE


def test_a_token_of_another_kind_is_refused() -> None:
    for typ in ("acting-as+jwt", "kya+jwt", "JWT", "KYA-attestation+jwt"):
        token = seal(write(attestation()), typ, signer())
        assert fault(token) is AttestationFault.TYPE


def test_another_signer_than_the_issuer_is_refused() -> None:
    token = sealed(write(attestation()), REGISTRY)
    assert fault(token) is AttestationFault.ISSUER


@pytest.mark.parametrize(
    "issuer",
    [
        CALLER,
        SpiffeId.parse("spiffe://example.org/governd/signer-evil"),
        SpiffeId.parse("spiffe://example.org/governd/server/node-1"),
    ],
    ids=str,
)
def test_being_in_the_trust_domain_makes_nobody_an_attester(issuer: SpiffeId) -> None:
    token = sign(attestation(issuer=issuer), signer(issuer))
    assert fault(token) is AttestationFault.ISSUER


def test_a_foreign_attester_speaks_for_its_own_agents_only() -> None:
    foreign = SpiffeId.parse("spiffe://partner.example/governd/signer/n")
    theirs = SpiffeId.parse("spiffe://partner.example/ns/a/sa/b")
    world = World(attesters=[AttesterRule("spiffe://partner.example/governd", Level.SIGNED)])
    token = sign(attestation(issuer=foreign), signer(foreign, PARTNER))
    assert fault(token, world) is AttestationFault.ISSUER
    own = sign(attestation(issuer=foreign, subject=theirs), signer(foreign, PARTNER))
    assert isinstance(check(own, world, caller=theirs), VerifiedAttestation)
    named = AttesterRule(str(foreign), Level.SIGNED, agents="spiffe://example.org/ns/shop")
    assert isinstance(check(token, World(attesters=[named])), VerifiedAttestation)


def test_a_domain_that_is_not_trusted_attests_nothing() -> None:
    unknown = SpiffeId.parse("spiffe://evil.example/governd/signer/n")
    token = sign(attestation(issuer=unknown), signer(unknown, Authority("evil.example")))
    assert fault(token) is AttestationFault.SIGNER


def test_a_word_is_worth_no_more_than_its_attester() -> None:
    boast = attestation(level=Level.ATTESTED)
    found = check(sign(boast, signer()))
    assert isinstance(found, VerifiedAttestation)
    assert found.level is Level.SIGNED
    two = [AttesterRule(str(NODE), Level.BOUND), AttesterRule(str(NODE), Level.ATTESTED)]
    found = check(sign(boast, signer()), World(attesters=two))
    assert isinstance(found, VerifiedAttestation)
    assert found.level is Level.ATTESTED


def test_an_attestation_of_another_certificate_is_refused() -> None:
    token = sign(attestation(), signer())
    assert fault(token, certificates=frozenset({"other"})) is AttestationFault.OTHER_CERTIFICATE
    assert fault(token, certificates=frozenset()) is AttestationFault.OTHER_CERTIFICATE


def test_an_attestation_of_another_card_is_refused() -> None:
    token = sign(attestation(), signer())
    assert fault(token, card_digest="sha-256:00") is AttestationFault.OTHER_CARD
    assert isinstance(check(token, card_digest=""), VerifiedAttestation)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"iss": None}, "iss: a SPIFFE ID begins with"),
        ({"sub": "planner"}, "sub: a SPIFFE ID begins with"),
        ({"sub": 1}, "sub: expected a text"),
        ({"iat": None}, "iat: no number"),
        ({"exp": "soon"}, "exp: no number"),
        ({"exp": True}, "exp: no number"),
        ({"exp": 1e300}, "exp: expected whole seconds"),
        ({"exp": 10**300}, "exp: no moment between 1970 and 9999"),
        ({"jti": ""}, "jti: required"),
        ({"jti": "a\n"}, "jti: expected a text"),
        ({"jti": "a" * 2049}, "jti: expected a text"),
        ({"cnf": {}}, "cnf.x5t#S256: required"),
        ({"cnf": None}, ""),
        ({"cnf": []}, "cnf: expected an object"),
        ({"card": None}, "card: expected an object"),
        ({"card": {"signature": {"status": "verified"}}}, "card.digest: required"),
        (
            {"card": {"digest": "d", "signature": {"status": "VERIFIED"}}},
            "card.signature.status: expected one of unsigned",
        ),
        ({"agent": {"name": "\ud800"}}, "agent.name: expected a text"),
        ({"agent": {"skills": "plan"}}, "agent.skills: expected a list of at most 256 texts"),
        ({"agent": {"skills": [1]}}, "agent.skills: expected a text"),
        ({"agent": {"skills": ["a"] * 257}}, "agent.skills: expected a list"),
        ({"kya": {"level": 4}}, "kya.level: expected 0 to 3"),
        ({"kya": {"level": True}}, "kya.level: expected 0 to 3"),
        ({"kya": {"level": [1]}}, "kya.level: expected 0 to 3"),
        ({"kya": {}}, "kya.level: expected 0 to 3"),
        ({"unknown": {"a": 1}}, ""),
    ],
    ids=str,
)
def test_a_claim_has_its_type_and_bounds(changes: dict[str, Any], why: str) -> None:
    found = check(sealed(claims(**changes)))
    if why:
        assert isinstance(found, RejectedAttestation)
        assert found.fault is AttestationFault.CLAIMS
        assert found.detail.startswith(why)
    else:
        assert isinstance(found, VerifiedAttestation)


@pytest.mark.parametrize(
    "payload", [b"", b"[]", b'{"iss":"a","iss":"a"}', b"[" * 6000, b"\xff"], ids=repr
)
def test_a_payload_that_does_not_parse_is_refused(payload: bytes) -> None:
    assert fault(sealed(payload)) in {AttestationFault.CLAIMS, AttestationFault.MALFORMED}


def test_a_token_that_fits_no_header_is_not_issued() -> None:
    long = attestation(skills=tuple("a" * 256 for _ in range(32)))
    with pytest.raises(RequestError, match="attestation: has") as raised:
        sign(long, signer())
    assert raised.value.field == "attestation"
    assert fault("a" * (MAX_BYTES + 1)) is AttestationFault.MALFORMED


def test_a_signer_signs_what_it_issues_while_it_lasts() -> None:
    for changes in (
        {"issuer": REGISTRY},
        {"expires": NOON + HOUR + SECOND},
        {"expires": NOON},
    ):
        with pytest.raises(IdentityError, match="is not the issuer, or ends too early"):
            sign(attestation(**changes), signer())


def test_an_attester_has_a_spiffe_id() -> None:
    with pytest.raises(RequestError, match="attesters"):
        AttesterRule("*", Level.SIGNED)
    with pytest.raises(RequestError, match="agents"):
        AttesterRule(str(NODE), Level.SIGNED, agents="*")


def test_a_token_carries_its_chain_and_nothing_else() -> None:
    by = signer()
    header = json.loads(jose.decode(sign(attestation(), by).split(".")[0].encode()))
    chain = [base64.b64encode(one).decode() for one in by.certificate_chain]
    assert header == {"alg": "ES256", "typ": TYPE, "x5c": chain}


def test_a_token_of_a_real_card_fits_a_header_with_room_to_spare() -> None:
    agent = World().register(signed(card()))
    token = sign(attest(agent, signer(), NOON, token_id="a" * 22, certificate=OWN), signer())
    assert len(token) < MAX_BYTES // 3
