"""How much is known of an agent: its own card, signed by its provider, attested, unchanged."""

from datetime import timedelta
from typing import Any

import pytest

from governd.errors import ApprovalError, RequestError
from governd.identity import SpiffeId
from governd.identity.x509_rules import thumbprint
from governd.kya.attestation import MAX_LIFETIME, Attestation, sign
from governd.kya.attestation_check import AttestationFault, RejectedAttestation
from governd.kya.binding import BindingRule
from governd.kya.card_signature import SignatureStatus
from governd.kya.drift import DriftReason
from governd.kya.level import Level, level_ends
from governd.kya.problems import problems_of
from governd.kya.registered_agent import RegisteredAgent, approve, attest
from tests.agent_cards import (
    AUTHORITY,
    CALLER,
    REGISTRY,
    THIEF,
    World,
    card,
    old_card,
    pinned,
    read,
    register,
    self_signed,
    signed,
    signer,
    skill,
)
from tests.fakes.authority import HOUR, NOON, new_key

OWN = AUTHORITY.issue(str(CALLER))
SIGNED = signed(card())
NO_RULES = World(rules=())
SECOND = timedelta(seconds=1)


def attested(members: dict[str, Any], **changes: Any) -> str:
    """The registry's attestation of the caller's card."""
    agent = World().register(members)
    by = signer(REGISTRY)
    found = attest(agent, by, NOON, token_id="1")
    values = {name: getattr(found, name) for name in Attestation.__slots__}
    return sign(Attestation(**{**values, "level": Level.ATTESTED, **changes}), by)


def level(members: dict[str, Any], world: World | None = None, **more: Any) -> Level:
    return (world or World()).register(members, **more).level(NOON)


@pytest.mark.req("gi-6", part=True)
def test_each_level_has_what_the_one_below_it_has_and_one_thing_more() -> None:
    assert level(card(), NO_RULES) is Level.NONE
    assert level(card()) is Level.BOUND
    assert level(SIGNED) is Level.SIGNED
    assert level(SIGNED, attestation=attested(SIGNED)) is Level.ATTESTED


@pytest.mark.req("gi-6", part=True)
def test_a_signed_card_that_somebody_else_presents_is_worth_nothing() -> None:
    """Cards are public."""
    assert level(SIGNED, caller=THIEF) is Level.NONE
    assert level(self_signed(SIGNED, OWN), NO_RULES, caller=THIEF) is Level.NONE


def test_an_own_signature_binds_a_card_and_proves_no_provider() -> None:
    assert level(self_signed(card(), OWN), NO_RULES) is Level.BOUND


def test_a_providers_signature_binds_a_card_to_nobody_even_if_its_key_ends() -> None:
    world = World(rules=(), keys=[pinned(not_after=NOON + HOUR)])
    assert level(SIGNED, world) is Level.NONE


def test_a_card_that_its_agent_and_its_provider_signed_needs_no_rule() -> None:
    assert level(self_signed(SIGNED, OWN), NO_RULES) is Level.SIGNED


def test_a_signature_that_fails_is_worse_than_none() -> None:
    assert level(signed(card(), new_key())) is Level.NONE


def test_an_older_card_is_its_agents_and_no_more() -> None:
    assert level(signed(old_card())) is Level.BOUND


def test_an_attestation_of_an_unsigned_card_adds_nothing() -> None:
    assert level(card(), attestation=attested(card())) is Level.BOUND


def test_an_attestation_of_another_card_adds_nothing() -> None:
    token = attested(SIGNED)
    other = signed(card(version="2"))
    found = World().register(other, attestation=token)
    assert found.level(NOON) is Level.SIGNED
    assert isinstance(found.attestation, RejectedAttestation)
    assert found.attestation.fault is AttestationFault.OTHER_CARD


def test_an_attestation_that_was_checked_for_something_else_adds_nothing() -> None:
    """Whoever registers an agent may have mixed two up."""
    checked = World().register(SIGNED, attestation=attested(SIGNED)).attestation
    for members, caller in ((signed(card(version="2")), CALLER), (SIGNED, THIEF)):
        world = World(rules=[BindingRule("spiffe://example.org", provider="Acme")])
        found = register(None, read(members), world.trust(caller), world.rules, checked)
        assert found.level(NOON) is Level.SIGNED


def test_levels_fall_as_what_they_rest_on_ends() -> None:
    world = World(rules=(), keys=[pinned(not_after=NOON + 40 * 60 * SECOND)])
    token = attested(SIGNED, expires=NOON + 20 * 60 * SECOND)
    agent = world.register(self_signed(SIGNED, OWN), attestation=token)
    falls = []
    when = NOON
    while (ends := level_ends(agent.known, when)) is not None:
        assert agent.level(ends - SECOND) is agent.level(when)
        falls.append((int((ends - NOON) / (60 * SECOND)), agent.level(ends).value))
        when = ends
    assert falls == [(20, 2), (40, 1), (60, 0)]


def test_a_level_that_rests_on_nothing_that_ends_does_not_fall() -> None:
    assert level_ends(World().register(SIGNED).known, NOON) is None


def test_an_attestation_does_not_say_that_a_key_signed_the_card_which_has_ended() -> None:
    agent = World(keys=[pinned(not_after=NOON + HOUR / 2)]).register(SIGNED)
    before, after = (
        attest(agent, signer(), NOON + late, token_id="1") for late in (0 * HOUR, HOUR / 2)
    )
    assert (before.signature, before.key_id) == (SignatureStatus.VERIFIED, "acme-1")
    assert (after.signature, after.key_id, after.thumbprint) == (
        SignatureStatus.UNTRUSTED_KEY,
        "",
        "",
    )
    assert after.level is Level.BOUND
    assert list(problems_of(agent, NOON + HOUR / 2)) == ["signatures: the key has ended"]


def test_an_attestation_ends_with_the_key_of_which_it_says_that_it_signed_the_card() -> None:
    """Here that is the agent's own, on which no level rests: a rule binds the card."""
    own = AUTHORITY.issue(str(CALLER), lifetime=HOUR / 4)
    agent = World().register(self_signed(card(), own))
    assert level_ends(agent.known, NOON) is None
    found = attest(agent, signer(), NOON, token_id="1")
    assert found.signature is SignatureStatus.VERIFIED
    assert found.expires == own.certificate.not_valid_after_utc


def rule(**changes: Any) -> World:
    return World(rules=[BindingRule(**{"agents": str(CALLER), **changes})])


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"name": "planner"}, Level.BOUND),
        ({"name": "Planner"}, Level.NONE),
        ({"provider": "Acme"}, Level.BOUND),
        ({"provider": "acme"}, Level.NONE),
        ({"provider": "Acme", "name": "x"}, Level.NONE),
        ({"urls": frozenset({"https://planner.example/a2a"})}, Level.BOUND),
        ({"urls": frozenset({"https://planner.example"})}, Level.NONE),
        ({"agents": "spiffe://example.org/ns/shop/sa/plan", "name": "planner"}, Level.NONE),
        ({"agents": "spiffe://example.org", "name": "planner"}, Level.BOUND),
        ({"agents": "spiffe://example.or", "name": "planner"}, Level.NONE),
    ],
    ids=str,
)
def test_a_rule_covers_what_it_says_and_no_more(changes: dict[str, Any], found: Level) -> None:
    assert level(card(), rule(**changes)) is found


def test_a_card_that_is_reached_elsewhere_as_well_is_not_covered() -> None:
    world = rule(urls=frozenset({"https://planner.example/a2a"}))
    evil = {**card()["supportedInterfaces"][0], "url": "https://evil.example"}
    both = card(supportedInterfaces=[*card()["supportedInterfaces"], evil])
    assert level(both, world) is Level.NONE
    assert level(card(supportedInterfaces=[]), world) is Level.NONE


OLD_URL = "https://old.example/a2a"
ADDITIONAL = {"url": OLD_URL, "transport": "JSONRPC"}


@pytest.mark.req("gi-6", part=True)
@pytest.mark.parametrize("beside", [{"url": OLD_URL}, {"additionalInterfaces": [ADDITIONAL]}])
def test_attack_a_card_that_sends_readers_of_v0_3_elsewhere_is_not_covered(
    beside: dict[str, Any],
) -> None:
    new = "https://planner.example/a2a"
    assert level(card(**beside), rule(urls=frozenset({new}))) is Level.NONE
    assert level(card(**beside), rule(urls=frozenset({new, OLD_URL}))) is Level.BOUND


def test_a_card_that_says_where_it_is_reached_to_readers_of_v0_3_as_well_is_covered() -> None:
    both = card(url="https://planner.example/a2a", preferredTransport="JSONRPC")
    assert level(both, rule(urls=frozenset({"https://planner.example/a2a"}))) is Level.BOUND


def test_a_rule_that_makes_any_card_anybodys_is_refused() -> None:
    with pytest.raises(ValueError, match="any card would be theirs"):
        BindingRule("spiffe://example.org")
    with pytest.raises(RequestError, match="agents"):
        BindingRule("*", provider="Acme")


def again(
    agent: RegisteredAgent, members: dict[str, Any], world: World | None = None
) -> RegisteredAgent:
    return (world or World()).register(members, previous=agent)


def reasons(agent: RegisteredAgent) -> list[DriftReason]:
    return [reason for reason, _ in agent.drift]


@pytest.mark.req("gi-6", part=True)
def test_a_card_that_was_swapped_is_quarantined_however_it_is_signed() -> None:
    first = World().register(SIGNED)
    found = again(first, signed(card(name="payer", skills=[skill("pay")])))
    assert found.vouched.by_provider
    assert found.level(NOON) is Level.NONE
    assert reasons(found) == [
        DriftReason.AGENT_CHANGED,
        DriftReason.SKILLS_CHANGED,
        DriftReason.CARD_CHANGED,
    ]
    assert found.drift[1][1] == "skills came or went: pay, plan"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"provider": {"organization": "acme", "url": ""}}, DriftReason.AGENT_CHANGED),
        (
            {"supportedInterfaces": [{**card()["supportedInterfaces"][0], "tenant": "x"}]},
            DriftReason.INTERFACES_CHANGED,
        ),
        ({"url": "https://old.example/a2a"}, DriftReason.INTERFACES_CHANGED),
        ({"version": "1.2.1"}, DriftReason.CARD_CHANGED),
        ({"description": "Pays things."}, DriftReason.CARD_CHANGED),
        ({"unknown": 1}, DriftReason.CARD_CHANGED),
    ],
    ids=str,
)
def test_any_other_card_is_drift(changes: dict[str, Any], reason: DriftReason) -> None:
    found = again(World().register(card()), card(**changes))
    assert reasons(found)[0] is reason
    assert reasons(found)[-1] is DriftReason.CARD_CHANGED
    assert found.level(NOON) is Level.NONE


@pytest.mark.parametrize(
    "members",
    [
        card(),
        signed(card(), new_key(), kid="evil"),
        self_signed(card(), OWN),
    ],
    ids=["unsigned", "signed by a stranger", "signed by the agent"],
)
def test_a_card_that_lost_what_vouched_for_it_is_quarantined(members: dict[str, Any]) -> None:
    found = again(World().register(SIGNED), members)
    assert reasons(found) == [DriftReason.SIGNATURE_LOST]
    assert found.level(NOON) is Level.NONE


def test_a_signature_that_came_later_is_held_to_as_well() -> None:
    gained = again(World().register(card()), SIGNED)
    assert gained.level(NOON) is Level.SIGNED
    assert reasons(again(gained, card())) == [DriftReason.SIGNATURE_LOST]


def test_what_says_the_same_is_no_drift() -> None:
    first = World().register(SIGNED)
    other = new_key()
    world = World(keys=[pinned(other, "acme-2")])
    same = dict(reversed(card(securityRequirements=[]).items()))
    found = again(first, signed(same, other, kid="acme-2"), world)
    assert not found.drift
    assert found.level(NOON) is Level.SIGNED


def test_a_quarantine_ends_with_the_pinned_card_or_an_approval() -> None:
    first = World().register(SIGNED)
    other = signed(card(version="2"))
    found = again(first, other)
    assert again(found, other).drift, "the same again is not approved by that"
    assert again(found, SIGNED).level(NOON) is Level.SIGNED
    approved = approve(found, read(other).digest)
    assert approved.level(NOON) is Level.SIGNED
    assert reasons(again(approved, SIGNED)) == [DriftReason.CARD_CHANGED]


def test_an_approval_is_of_what_was_looked_at() -> None:
    found = again(World().register(SIGNED), signed(card(version="2")))
    with pytest.raises(ApprovalError, match="card: expected sha-256:") as raised:
        approve(found, read(SIGNED).digest)
    assert raised.value.field == "digest"


def test_problems_say_what_to_look_at() -> None:
    world = World(rules=())
    found = again(World().register(SIGNED), signed(card(version="2"), new_key()), world)
    assert [one.partition(":")[0] for one in problems_of(found, NOON)] == [
        "card",
        "card",
        "card",
        "signatures",
    ]
    assert list(problems_of(World().register(card()), NOON)) == ["signatures: the card has none"]
    rejected = World().register(SIGNED, attestation="x")
    assert list(problems_of(rejected, NOON)) == ["attestation: no compact serialisation"]
    ends = World(keys=[pinned(not_after=NOON + HOUR)]).register(SIGNED)
    assert list(problems_of(ends, NOON)) == []
    assert list(problems_of(ends, NOON + HOUR)) == ["signatures: the key has ended"]


def test_of_an_attested_agent_there_is_nothing_to_say() -> None:
    agent = World().register(signed(SIGNED, new_key(), kid="evil"), attestation=attested(SIGNED))
    assert agent.level(NOON) is Level.ATTESTED
    assert list(problems_of(agent, NOON)) == []


def test_what_is_attested_is_what_is_known() -> None:
    agent = World().register(SIGNED)
    certificate = thumbprint(OWN.chain[0])
    found = attest(
        agent,
        signer(),
        NOON + 0.5 * SECOND,
        token_id="7",
        certificate=certificate,
        policy_digest="p",
    )
    assert (found.subject, found.level) == (CALLER, Level.SIGNED)
    assert (found.issued_at, found.expires) == (NOON, NOON + MAX_LIFETIME)
    assert (found.key_id, found.thumbprint) == ("acme-1", agent.vouched.thumbprint)
    assert (found.card_digest, found.skills) == (agent.card.digest, ("plan",))
    assert (found.certificate, found.policy_digest) == (certificate, "p")


def test_an_attestation_ends_with_what_it_rests_on() -> None:
    agent = World(keys=[pinned(not_after=NOON + 90.5 * SECOND)]).register(SIGNED)
    assert attest(agent, signer(), NOON, token_id="7").expires == NOON + 90 * SECOND
    short = signer(lifetime=60 * SECOND)
    assert attest(agent, short, NOON, token_id="7").expires == NOON + 60 * SECOND
    later = attest(agent, signer(), NOON + 91 * SECOND, token_id="7")
    assert (later.level, later.key_id, later.thumbprint) == (Level.BOUND, "", "")


def test_skills_that_are_too_many_for_a_header_are_left_out() -> None:
    many = [skill(f"skill-{number:04}") for number in range(200)]
    agent = World().register(signed(card(skills=many)))
    assert attest(agent, signer(), NOON, token_id="7").skills == ()


def test_a_spiffe_id_is_all_that_names_an_agent() -> None:
    assert World().register(SIGNED).spiffe_id == SpiffeId.parse(str(CALLER))
