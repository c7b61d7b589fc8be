"""A receiver takes a token only for itself, from an allowed signer, in time, tied, and once."""

import dataclasses
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from governd._proto.governd.v1 import delegation_service_pb2
from governd.delegation.binding import BindingLevel, body_digest, request_binding
from governd.delegation.expectations import Arrival, IssuerRule
from governd.delegation.opening import Opener, name_of
from governd.delegation.rejection import Reason, Rejected
from governd.delegation.replay import UsedTokens
from governd.delegation.revocations import Revocations
from governd.delegation.verification import Receiver, Verified
from governd.identity.user import User
from governd.identity.x509_rules import thumbprint
from tests.fakes.authority import HOUR, NOON, Authority
from tests.fakes.forge import (
    ARRIVAL,
    BODY,
    EXPECTED,
    NOW,
    PLANNER,
    ROUTER,
    SIGNER,
    SIGNERS,
    TOOLS,
    URI,
    Forge,
    digest,
    nested,
    rejected,
    verified,
    with_twin_signature,
    workload,
)
from tests.fakes.token_issuer import TokenIssuer, encode

FORGE = Forge()
CERTIFICATE = thumbprint(FORGE.authority.issue(PLANNER).chain[0])
FRONT = "spiffe://example.org/ns/c/sa/front"
PARTNER = "spiffe://partner.example/ns/x/sa/buyer"
KYA = {"lvl": 1, "jti": encode(bytes(16)), "dig": digest(b"attestation")}


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(NOW + seconds, UTC)


@pytest.mark.req("gi-3", part=True)
def test_a_token_for_us_is_taken_and_says_who_acts_for_whom() -> None:
    text = FORGE.deep(PLANNER, ROUTER, FRONT, kya=KYA)
    found = verified(FORGE, text)
    assert (found.token.user.subject, found.token.user.issuer) == (
        "user:alice@example.com",
        "https://idp.example",
    )
    assert [str(actor) for actor in found.token.actors] == [PLANNER, ROUTER, FRONT]
    assert (str(found.signer), found.expires) == (SIGNER, at(120))
    assert (found.binding, found.token.kya_level) == (BindingLevel.REQUEST, 1)
    assert found.digest == name_of(text) == digest(text.rpartition(".")[0].encode())


@pytest.mark.req("gi-3", part=True)
def test_another_signature_of_the_same_makes_no_other_token() -> None:
    text, used = FORGE.token(), UsedTokens()
    twin = with_twin_signature(text)
    assert twin != text
    assert verified(FORGE, twin).digest == verified(FORGE, text, replay=used).digest
    assert rejected(FORGE, twin, replay=used) == "REPLAYED"


def test_whatever_the_text_it_has_a_name() -> None:
    assert name_of("") != name_of("no token") == digest(b"no token")


def test_reasons_are_those_of_the_api_in_the_order_of_the_steps() -> None:
    prefix = "REJECTION_REASON_"
    theirs = delegation_service_pb2.RejectionReason.items()
    assert [(f"{prefix}{one.name}", one.value) for one in Reason] == theirs[1:]
    levels = delegation_service_pb2.BindingLevel.items()
    assert [(f"BINDING_LEVEL_{one.name}", one.value + 1) for one in BindingLevel] == levels[1:]


@pytest.mark.req("r-3", part=True)
@pytest.mark.parametrize(
    "typ", ["JWT", "wit+jwt", "oauth-id-jag+jwt", "txntoken+jwt", "at+jwt", "kya-attestation+jwt"]
)
def test_attack_a_token_of_another_kind_with_our_signature(typ: str) -> None:
    assert rejected(FORGE, FORGE.token(FORGE.header(typ=typ))) == "TYPE"


@pytest.mark.req("r-3", part=True)
def test_attack_a_jwt_svid() -> None:
    assert rejected(FORGE, TokenIssuer().token()) == "HEADER"


@pytest.mark.parametrize(
    ("header", "reason"),
    [({"alg": "none"}, "ALGORITHM"), ({"kid": "x"}, "HEADER"), ({"x5c": []}, "CHAIN")],
)
def test_a_fault_of_the_signature_is_told(header: dict[str, object], reason: str) -> None:
    assert rejected(FORGE, FORGE.token(FORGE.header(**header))) == reason


def test_what_is_no_token_is_told() -> None:
    assert rejected(FORGE, "a.b") == "FORM"
    assert rejected(FORGE, "\ud800") == "FORM"
    assert rejected(FORGE, FORGE.token()[:-4] + "AAAA") == "SIGNATURE"
    assert rejected(Forge(), FORGE.token()) == "SIGNER"


def test_claims_are_read_after_the_signature() -> None:
    assert rejected(FORGE, FORGE.sealed(b"{}")) == "CLAIMS"
    header, _, signature = FORGE.token().split(".")
    assert rejected(FORGE, f"{header}.{encode(b'{}')}.{signature}") == "SIGNATURE"


@pytest.mark.req("r-3", part=True)
def test_attack_a_signer_that_signs_in_anothers_name() -> None:
    assert rejected(FORGE, FORGE.token(iss=f"{SIGNER}0")) == "ISSUER"


@pytest.mark.req("r-3", part=True)
@pytest.mark.parametrize(
    "spiffe_id",
    [PLANNER, f"{SIGNERS}-evil/node", "spiffe://example.org/governd/server/node-7"],
)
def test_attack_a_workload_of_the_domain_that_is_no_signer(spiffe_id: str) -> None:
    forge = Forge(spiffe_id, authority=FORGE.authority)
    assert rejected(FORGE, forge.token()) == "ISSUER_NOT_ALLOWED"


def federated(also_for: Sequence[str] = ()) -> tuple[Forge, IssuerRule]:
    forge = Forge(PARTNER_SIGNER, authority=Authority("partner.example"))
    return forge, IssuerRule(workload("spiffe://partner.example/governd"), frozenset(also_for))


PARTNER_SIGNER = "spiffe://partner.example/governd/signer/n1"


@pytest.mark.req("r-3", part=True)
def test_attack_a_foreign_signer_that_speaks_for_our_actors() -> None:
    forge, rule = federated()
    expected = dataclasses.replace(EXPECTED, issuers=(*EXPECTED.issuers, rule))
    came = dataclasses.replace(ARRIVAL, peer=workload(PARTNER))
    verified(forge, forge.token(act=nested(PARTNER)), expected, came)
    assert rejected(forge, forge.token(), expected) == "ACTOR_NOT_ISSUERS"
    mixed = forge.deep(PARTNER, PLANNER)
    assert rejected(forge, mixed, expected, came) == "ACTOR_NOT_ISSUERS"


def test_a_foreign_signer_speaks_for_our_actors_where_we_say_so() -> None:
    forge, rule = federated(["example.org"])
    expected = dataclasses.replace(EXPECTED, issuers=(rule,))
    verified(forge, forge.deep(PLANNER, PARTNER), expected)


@pytest.mark.req("gi-3", part=True)
@pytest.mark.parametrize(
    "audience", [f"{TOOLS}-evil", TOOLS[:-1], TOOLS.replace("github", "GitHub"), PLANNER]
)
def test_attack_a_token_for_another_audience(audience: str) -> None:
    assert rejected(FORGE, FORGE.token(aud=audience)) == "AUDIENCE"


@pytest.mark.parametrize("audience", [[TOOLS], [TOOLS, PLANNER], f"{TOOLS}/", TOOLS.upper()])
def test_attack_an_audience_that_is_not_one_workload_in_its_one_spelling(audience: object) -> None:
    assert rejected(FORGE, FORGE.token(aud=audience)) == "CLAIMS"


@pytest.mark.req("gi-3", part=True)
@pytest.mark.parametrize(
    ("seconds", "reason"), [(-61, "NOT_YET_VALID"), (-60, ""), (0, ""), (179, ""), (180, "EXPIRED")]
)
def test_a_token_counts_in_its_time_and_a_minute_around(seconds: int, reason: str) -> None:
    forge = Forge(not_before=NOON - HOUR, lifetime=2 * HOUR)
    if reason:
        assert rejected(forge, forge.token(), now=at(seconds)) == reason
    else:
        verified(forge, forge.token(), now=at(seconds))


@pytest.mark.parametrize("lifetime", [301, 100_000, 0, -1])
def test_attack_a_token_that_lasts_too_long_or_never(lifetime: int) -> None:
    assert rejected(FORGE, FORGE.token(exp=NOW + lifetime)) == "LIFETIME"


def test_a_token_lasts_five_minutes_at_most() -> None:
    verified(FORGE, FORGE.token(exp=NOW + 300))


@pytest.mark.req("r-3", part=True)
def test_attack_a_token_that_outlives_its_signer() -> None:
    forge = Forge(lifetime=timedelta(seconds=119))
    assert rejected(forge, forge.token()) == "OUTLIVES_SIGNER"
    verified(forge, forge.token(exp=NOW + 119))


def test_attack_a_token_whose_signer_has_ended() -> None:
    forge = Forge(lifetime=timedelta(seconds=120))
    assert rejected(forge, forge.token(), now=at(121)) == "SIGNER"


def came(**changes: object) -> Arrival:
    return dataclasses.replace(ARRIVAL, **changes)  # type: ignore[arg-type]


@pytest.mark.req("r-3", part=True)
@pytest.mark.parametrize(
    ("method", "uri", "body", "reason"),
    [
        ("GET", URI, BODY, "REQUEST_METHOD"),
        ("POST", f"{URI}/admin", BODY, "REQUEST_URI"),
        ("POST", f"{URI}?all=1", BODY, "REQUEST_URI"),
        ("POST", URI.replace("github", "other"), BODY, "REQUEST_URI"),
        ("POST", URI, BODY + b" ", "REQUEST_BODY"),
        ("POST", URI, b"", "REQUEST_BODY"),
    ],
)
def test_attack_a_token_moved_to_another_request(
    method: str, uri: str, body: bytes, reason: str
) -> None:
    text = FORGE.token(cdg=body_digest(BODY))
    arrival = came(request=request_binding(method, uri, body_digest(body)))
    assert rejected(FORGE, text, EXPECTED, arrival) == reason


def test_a_query_is_tied_by_its_digest() -> None:
    text = FORGE.token(htq=digest(b"all=1"))
    arrival = came(request=request_binding("POST", f"{URI}?all=1"))
    verified(FORGE, text, EXPECTED, arrival)
    assert rejected(FORGE, text) == "REQUEST_URI"


def test_what_a_receiver_cannot_see_it_refuses() -> None:
    assert rejected(FORGE, FORGE.token(), EXPECTED, came(request=None)) == "REQUEST_METHOD"
    unread = came(request=request_binding("POST", URI))
    assert rejected(FORGE, FORGE.token(cdg=body_digest(BODY)), EXPECTED, unread) == "REQUEST_BODY"
    assert verified(FORGE, FORGE.token(), EXPECTED, unread).binding is BindingLevel.REQUEST


@pytest.mark.req("r-3", part=True)
def test_attack_a_token_that_somebody_else_sends() -> None:
    assert rejected(FORGE, FORGE.token(), EXPECTED, came(peer=workload(ROUTER))) == "CALLER"
    deep = FORGE.deep(PLANNER, ROUTER)
    assert rejected(FORGE, deep, EXPECTED, came(peer=workload(ROUTER))) == "CALLER"


def test_attack_another_certificate_of_the_same_workload() -> None:
    text = FORGE.token(cnf={"x5t#S256": CERTIFICATE})
    verified(FORGE, text, EXPECTED, came(certificate=CERTIFICATE))
    for other in (None, digest(b"another")):
        assert rejected(FORGE, text, EXPECTED, came(certificate=other)) == "CALLER_CERTIFICATE"


@pytest.mark.parametrize(
    ("claims", "arrival", "level"),
    [
        ({"cdg": body_digest(BODY)}, ARRIVAL, BindingLevel.BODY),
        ({}, ARRIVAL, BindingLevel.REQUEST),
        ({"htm": None, "htu": None}, ARRIVAL, BindingLevel.CALLER),
        ({"htm": None, "htu": None}, Arrival(), BindingLevel.UNSAFE_NONE),
        ({"cdg": body_digest(BODY)}, came(peer=None), BindingLevel.UNSAFE_NONE),
    ],
)
def test_a_token_is_tied_as_tightly_as_everything_below_is(
    claims: dict[str, object], arrival: Arrival, level: BindingLevel
) -> None:
    for least in BindingLevel:
        expected = dataclasses.replace(EXPECTED, least_binding=least)
        text = FORGE.token(**claims)
        if least > level:
            assert rejected(FORGE, text, expected, arrival) == "BINDING_TOO_WEAK"
        else:
            assert verified(FORGE, text, expected, arrival).binding is level


@pytest.mark.req("r-3", part=True)
def test_attack_the_same_token_again() -> None:
    used = UsedTokens()
    text = FORGE.token()
    verified(FORGE, text, replay=used)
    assert rejected(FORGE, text, replay=used) == "REPLAYED"
    again = FORGE.token()  # another signature of the same
    assert rejected(FORGE, again, replay=used) == "REPLAYED"


def test_a_token_is_not_used_up_by_a_request_that_is_not_its_own() -> None:
    used = UsedTokens()
    text = FORGE.token()
    assert rejected(FORGE, text, EXPECTED, came(peer=workload(ROUTER)), replay=used) == "CALLER"
    verified(FORGE, text, replay=used)


def test_without_room_to_remember_nothing_is_taken() -> None:
    assert rejected(FORGE, FORGE.token(), replay=UsedTokens(0)) == "REPLAY_UNKNOWN"


@pytest.mark.req("r-3", part=True)
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"mdp": 1}, "DEPTH"),
        ({"act": nested(PLANNER, ROUTER, PLANNER), "dep": 3}, "LOOP"),
        ({"act": nested(PLANNER, PLANNER)}, "LOOP"),
        ({"pth": None}, "PARENT"),
        ({"act": nested(PLANNER), "dep": 1}, "PARENT"),
    ],
)
def test_attack_a_chain_that_breaks_a_rule(changes: dict[str, object], reason: str) -> None:
    assert rejected(FORGE, FORGE.deep(PLANNER, ROUTER, **changes)) == reason


@pytest.mark.parametrize(
    "revocations",
    [
        Revocations(transactions=frozenset({"workflow-1"})),
        Revocations(tokens=frozenset({FORGE.claims()["jti"]})),
        Revocations(users=frozenset({User("https://idp.example", "user:alice@example.com")})),
        Revocations(workloads=frozenset({workload(SIGNER)})),
        Revocations(workloads=frozenset({workload(ROUTER)})),
    ],
)
def test_what_is_revoked_anywhere_in_the_chain_is_refused(revocations: Revocations) -> None:
    expected = dataclasses.replace(EXPECTED, revocations=revocations)
    assert rejected(FORGE, FORGE.deep(PLANNER, ROUTER), expected) == "REVOKED"


def test_another_users_or_anothers_revocation_is_none() -> None:
    others = Revocations(
        frozenset({"workflow-2"}),
        frozenset({"x"}),
        frozenset({User("https://other.example", "user:alice@example.com")}),
        frozenset({workload(TOOLS)}),
    )
    verified(FORGE, FORGE.token(), dataclasses.replace(EXPECTED, revocations=others))


def test_evidence_is_inspected_by_its_audience_without_using_it_up() -> None:
    receiver = Receiver(Opener(FORGE.verifier), UsedTokens())
    text = FORGE.token(cdg=body_digest(BODY))
    for _ in range(2):
        found = receiver.inspect(text, EXPECTED, NOON)
        assert isinstance(found, Verified)
        assert found.binding is BindingLevel.UNSAFE_NONE
    assert isinstance(receiver.receive(text, EXPECTED, ARRIVAL, NOON), Verified)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"aud": PLANNER}, "AUDIENCE"),
        ({"exp": NOW - 61, "iat": NOW - 100}, "EXPIRED"),
        ({"mdp": 9}, "CLAIMS"),
        ({"pth": digest(b"x")}, "PARENT"),
    ],
)
def test_evidence_that_does_not_hold_is_rejected(changes: dict[str, object], reason: str) -> None:
    found = Receiver(Opener(FORGE.verifier), UsedTokens()).inspect(
        FORGE.token(**changes), EXPECTED, NOON
    )
    assert isinstance(found, Rejected)
    assert found.reason.name == reason


def test_a_rejection_shows_nothing_of_the_token() -> None:
    text = FORGE.token(sub="user:secret", scope="b a")
    found = Receiver(Opener(FORGE.verifier), UsedTokens()).receive(text, EXPECTED, ARRIVAL, NOON)
    assert isinstance(found, Rejected)
    assert "secret" not in found.message
    assert json.dumps(found.message)
