"""Agents present cards: on record, then on disk, then in force, and never more than is verified."""

import asyncio
import itertools
import json
from datetime import timedelta
from typing import Any

import pytest

from governd.errors import (
    AgentUnknownError,
    ApprovalError,
    CardError,
    DecisionLogError,
    GoverndError,
    RegistrationTooLargeError,
    RequestError,
)
from governd.identity import SpiffeId
from governd.kya.attestation import Attestation, sign
from governd.kya.attestation_check import AttestationFault, RejectedAttestation
from governd.kya.drift import DriftReason
from governd.kya.level import Level
from governd.kya.registered_agent import attest
from tests.agent_cards import (
    AUTHORITY,
    CALLER,
    REGISTRY,
    THIEF,
    card,
    self_signed,
    signed,
    signer,
    skill,
    write,
)
from tests.fakes.agent_store import FakeAgentStore
from tests.fakes.authority import NOON
from tests.known_agents import BUNDLES, KEY, Node, call, kya_table

SIGNED = signed(card())
SWAPPED = signed(card(skills=[skill("plan"), skill("pay")]))
NOBODY_TRUSTED = kya_table((), (), ())


@pytest.fixture
async def node() -> Node:
    return await Node.started()


async def attested(node: Node, **changes: Any) -> str:
    """The registry's attestation of the caller's card, as it is registered."""
    by = signer(REGISTRY)
    found = attest(node.keeper.get(CALLER), by, NOON, token_id="1")
    values = {name: getattr(found, name) for name in Attestation.__slots__}
    return sign(Attestation(**{**values, "level": Level.ATTESTED, **changes}), by)


# What counts


@pytest.mark.req("gi-6", part=True)
async def test_the_levels_are_those_of_the_policy_in_force(node: Node) -> None:
    assert node.level() == Level.NONE
    await node.register(card())
    assert node.level() == Level.BOUND
    await node.register(SIGNED)
    assert node.level() == Level.SIGNED
    await node.register(SIGNED, attestation=await attested(node))
    assert node.level() == Level.ATTESTED


@pytest.mark.req("gi-6", part=True)
async def test_a_public_card_that_somebody_else_shows_is_worth_nothing(node: Node) -> None:
    await node.register(SIGNED, THIEF)
    assert (node.level(THIEF), node.level()) == (0, 0)


@pytest.mark.req("gi-6", part=True)
@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"subject": THIEF}, AttestationFault.OTHER_AGENT),
        ({"card_digest": f"sha-256:{'0' * 64}"}, AttestationFault.OTHER_CARD),
        ({"certificate": "A" * 43}, AttestationFault.OTHER_CERTIFICATE),
    ],
)
async def test_an_attestation_of_another_is_told_and_raises_no_level(
    node: Node, changes: dict[str, Any], fault: AttestationFault
) -> None:
    await node.register(SIGNED)
    found = await node.register(SIGNED, attestation=await attested(node, **changes))
    assert isinstance(found.attestation, RejectedAttestation)
    assert (found.attestation.fault, node.level()) == (fault, Level.SIGNED)
    assert node.records("agent_registration")[-1]["attestation_fault"] == fault.name


@pytest.mark.req("gi-6", part=True)
async def test_an_attestation_of_a_certificate_counts_for_whose_channel_shows_it(
    node: Node,
) -> None:
    await node.register(SIGNED)
    token = await attested(node, certificate="A" * 43)
    other = await node.register(SIGNED, attestation=token, certificate="B" * 42 + "A")
    assert isinstance(other.attestation, RejectedAttestation)
    assert other.attestation.fault is AttestationFault.OTHER_CERTIFICATE
    await node.register(SIGNED, attestation=token, certificate="A" * 43)
    assert node.level() == Level.ATTESTED


async def test_a_card_signed_with_the_callers_own_svid_counts_as_long_as_that(node: Node) -> None:
    await node.put(NOBODY_TRUSTED)
    issued = AUTHORITY.issue(str(CALLER))
    await node.register(self_signed(card(), issued))
    assert node.level() == Level.BOUND
    node.now = issued.certificate.not_valid_after_utc.timestamp()
    assert node.level() == Level.NONE


@pytest.mark.req("gi-6", part=True)
async def test_a_level_falls_when_the_attestation_ends_and_nobody_does_anything(
    node: Node,
) -> None:
    await node.register(SIGNED)
    await node.register(SIGNED, attestation=await attested(node))
    ends = node.agents.level(CALLER).until
    node.now = ends - 1
    assert node.level() == Level.ATTESTED
    node.now = ends
    assert node.level() == Level.SIGNED


# Whom policy and trust bundles trust may change


@pytest.mark.req("gi-6", part=True)
async def test_a_key_that_is_taken_out_of_the_policy_lowers_the_level_and_quarantines_nobody(
    node: Node,
) -> None:
    await node.register(SIGNED)
    await node.put(kya_table(keys=()))
    assert node.level() == Level.BOUND
    again = await node.register(SIGNED)
    assert (node.level(), again.drift) == (Level.BOUND, ())
    await node.put(kya_table())
    assert node.level() == Level.SIGNED


async def test_a_key_that_comes_later_is_held_to_from_then_on(node: Node) -> None:
    await node.put(kya_table(keys=()))
    await node.register(SIGNED)
    await node.put(kya_table())
    assert node.level() == Level.SIGNED
    found = await node.register(card())
    assert [reason for reason, _ in found.drift] == [DriftReason.SIGNATURE_LOST]


async def test_a_policy_that_says_the_same_of_agents_looks_at_none_anew(node: Node) -> None:
    await node.register(SIGNED)
    before = len(node.observer.assessments)
    await node.put(kya_table(), more="# nothing new\n")
    assert len(node.observer.assessments) == before


@pytest.mark.req("gi-6", part=True)
async def test_trust_bundles_that_go_take_what_rests_on_them_at_once(node: Node) -> None:
    await node.put(NOBODY_TRUSTED)
    await node.register(self_signed(card(), AUTHORITY.issue(str(CALLER))))
    epoch = node.epoch

    async def bundles() -> Any:
        yield BUNDLES
        assert node.epoch == epoch, "nothing changed"
        yield {}

    await node.keeper.follow(bundles())
    assert node.level() == Level.NONE
    assert node.epoch != epoch


async def test_one_that_registers_while_all_are_looked_at_anew_is_not_lost(node: Node) -> None:
    await node.register(SIGNED)
    other = SpiffeId.parse("spiffe://example.org/ns/shop/sa/other")
    for table in (kya_table(keys=()), kya_table()) * 3:
        await asyncio.gather(node.put(table), node.register(SIGNED, other))
    assert (node.level(), node.level(other)) == (Level.SIGNED, Level.SIGNED)


# Drift


@pytest.mark.req("gi-6", part=True)
async def test_a_swapped_card_quarantines_until_an_operator_approves_that_very_one(
    node: Node,
) -> None:
    first = await node.register(SIGNED)
    found = await node.register(SWAPPED)
    assert (found.drift[0][0], node.level()) == (DriftReason.SKILLS_CHANGED, Level.NONE)
    with pytest.raises(ApprovalError):
        await node.keeper.approve(CALLER, first.card.digest)
    assert node.level() == Level.NONE
    await node.keeper.approve(CALLER, found.card.digest)
    assert node.level() == Level.SIGNED
    (record,) = node.records("agent_approval")
    assert (record["caller"], record["previous_digest"]) == ("operator", first.card.digest)
    assert node.observer.approvals == [first.card.digest]


async def test_the_pinned_card_ends_the_quarantine_by_itself(node: Node) -> None:
    await node.register(SIGNED)
    await node.register(SWAPPED)
    await node.register(SIGNED)
    assert node.level() == Level.SIGNED


async def test_approving_what_is_held_to_already_changes_nothing(node: Node) -> None:
    found = await node.register(SIGNED)
    lines = list(node.log.lines)
    await node.keeper.approve(CALLER, found.card.digest)
    assert node.log.lines == lines
    with pytest.raises(AgentUnknownError):
        await node.keeper.approve(THIEF, found.card.digest)


# Restart


@pytest.mark.req("gi-6", part=True)
@pytest.mark.parametrize("last", [SIGNED, SWAPPED], ids=["good", "quarantined"])
async def test_after_a_restart_the_same_is_known(node: Node, last: dict[str, Any]) -> None:
    await node.register(SIGNED)
    await node.register(SIGNED, attestation=await attested(node))
    if last is SWAPPED:
        await node.register(SWAPPED)
    again = await Node.started(store=node.store)
    assert again.observer.loads == [1]
    assert again.keeper.get(CALLER) == node.keeper.get(CALLER)
    assert again.level() == node.level() == (Level.NONE if last is SWAPPED else Level.ATTESTED)


async def test_before_a_policy_is_there_nobody_vouches_for_anybody(node: Node) -> None:
    await node.register(SIGNED)
    again = Node(store=node.store)
    again.agents.load()
    assert again.level() == Level.NONE
    assert again.keeper.get(CALLER).drift == ()


# The epoch, records, failures


@pytest.mark.req("gi-6", part=True)
async def test_an_agent_that_is_forgotten_is_known_to_nobody_and_held_to_nothing(
    node: Node,
) -> None:
    await node.register(SIGNED)
    epoch = node.epoch
    found = await node.keeper.forget(CALLER)
    assert (found.spiffe_id, node.level(), node.agents.held) == (CALLER, 0, {})
    assert node.epoch != epoch, "no lease outlives the level"
    assert await node.attester.of(call()) is None
    (record,) = node.records("agent_forgotten")
    assert (record["caller"], record["spiffe_id"], record["level"]) == ("operator", str(CALLER), 2)
    assert record["pinned_digest"] == found.pin.card.digest
    assert node.log.durable == len(node.log.lines)
    with pytest.raises(AgentUnknownError):
        await node.keeper.forget(CALLER)
    assert (await node.register(SWAPPED)).drift == ()
    assert node.observer.forgot == [CALLER]


@pytest.mark.req("gi-6", part=True)
async def test_an_agent_that_is_forgotten_stays_so_after_a_restart(node: Node) -> None:
    await node.register(SIGNED)
    await node.register(card(), THIEF)
    await node.keeper.forget(CALLER)
    again = await Node.started(store=node.store)
    assert list(again.agents.held) == [THIEF]


async def test_what_cannot_be_forgotten_durably_stays_as_it_is(node: Node) -> None:
    await node.register(SIGNED)
    node.log.unsynced = True
    with pytest.raises(DecisionLogError):
        await node.keeper.forget(CALLER)
    node.log.unsynced, node.store.broken = False, True
    with pytest.raises(DecisionLogError) as raised:
        await node.keeper.forget(CALLER)
    assert raised.value.retry_after
    assert node.level() == Level.SIGNED
    assert [one.get("kept") for one in node.records("agent_forgotten")] == [None, None, False]
    assert len(node.observer.failures) == 1
    node.store.broken = False
    await node.keeper.forget(CALLER)
    assert node.level() == Level.NONE


@pytest.mark.req("gi-6", part=True)
async def test_the_epoch_changes_with_the_level_and_only_then(node: Node) -> None:
    epochs = [node.epoch]
    for one in (card(), SIGNED, SIGNED, SWAPPED, SIGNED):
        await node.register(one)
        epochs.append(node.epoch)
    changed = [old != new for old, new in itertools.pairwise(epochs)]
    assert changed == [True, True, False, True, True]
    assert node.observer.registrations == [True, True, False, True, True]


@pytest.mark.req("gi-6", part=True)
async def test_a_registration_is_on_record_without_the_card_or_a_token(node: Node) -> None:
    await node.register(SIGNED)
    token = await attested(node)
    await node.register(SIGNED, attestation=token)
    record = node.records("agent_registration")[-1]
    assert (record["caller"], record["level"], record["attested"]) == (str(CALLER), 3, True)
    assert (record["signature"], record["key_id"]) == ("VERIFIED", "acme-1")
    assert not any(
        part in line for line in node.log.lines for part in (token.encode(), b"Plans things.")
    )


@pytest.mark.req("gi-6", part=True)
@pytest.mark.parametrize("broken", ["log", "full", "broken"])
async def test_what_is_not_on_record_or_not_kept_changes_nothing(node: Node, broken: str) -> None:
    await node.register(SIGNED)
    before = node.keeper.get(CALLER), dict(node.store.kept), node.epoch
    setattr(node.log if broken == "log" else node.store, "full" if broken == "log" else broken, 1)
    with pytest.raises(DecisionLogError) as caught:
        await node.register(SWAPPED)
    assert caught.value.retry_after == 1.0
    assert (node.keeper.get(CALLER), dict(node.store.kept), node.epoch) == before
    assert node.store.abandoned == (broken == "log")
    assert len(node.observer.failures) == (broken != "log")
    if broken == "broken":
        assert node.records("agent_registration")[-1]["kept"] is False


async def test_what_is_taken_or_approved_is_durably_on_record_first(node: Node) -> None:
    await node.register(SIGNED)
    await node.register(SWAPPED)
    assert node.log.durable == len(node.log.lines)
    await node.keeper.approve(CALLER, node.keeper.get(CALLER).card.digest)
    assert node.log.durable == len(node.log.lines)
    before = node.keeper.get(CALLER), dict(node.store.kept)
    node.log.unsynced = True
    for change in (node.register(SIGNED), node.register(card(), THIEF)):
        with pytest.raises(DecisionLogError):
            await change
    assert (node.keeper.get(CALLER), dict(node.store.kept)) == before
    assert list(node.agents.held) == [CALLER]


async def test_a_caller_that_hangs_up_leaves_nothing_half_done(node: Node) -> None:
    task = asyncio.ensure_future(node.register(SIGNED))
    await node.store.prepared.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await node.register(SIGNED)
    assert (node.level(), len(node.records("agent_registration"))) == (Level.SIGNED, 1)


@pytest.mark.parametrize(
    ("text", "attestation", "error"),
    [
        (b"{}", "", CardError),
        (write(SIGNED) + b" " * 65_536, "", CardError),
        (write(SIGNED), "x" * 8193, RequestError),
        (write(SIGNED), "\u00e9", RequestError),
    ],
    ids=["no card", "too large", "long attestation", "no token"],
)
async def test_what_breaks_a_rule_is_refused_and_leaves_no_trace(
    node: Node, text: bytes, attestation: str, error: type[GoverndError]
) -> None:
    with pytest.raises(error):
        await node.register(text, attestation=attestation)
    assert not node.log.lines
    assert not node.store.kept
    with pytest.raises(AgentUnknownError):
        node.keeper.get(CALLER)


@pytest.mark.req("gi-6", part=True)
async def test_there_is_an_end_to_agents_and_who_is_there_goes_on() -> None:
    node = await Node.started(max_agents=1)
    await node.register(SIGNED)
    with pytest.raises(RegistrationTooLargeError):
        await node.register(card(), THIEF)
    await node.register(SWAPPED)
    assert list(node.agents.held) == [CALLER]


async def test_a_key_that_ends_lowers_the_level_when_it_does() -> None:
    node = await Node.started(kya_table([{**KEY, "not_after": NOON + timedelta(minutes=5)}]))
    await node.register(SIGNED)
    assert node.level() == Level.SIGNED
    node.now += 300
    assert node.level() == Level.BOUND
    assert node.agents.state().detail == "1 registered, 0 quarantined"


async def test_the_store_has_what_came_byte_for_byte() -> None:
    node = await Node.started(store=FakeAgentStore())
    text = json.dumps(SIGNED, indent=3).encode()
    await node.register(text)
    assert node.store.kept[CALLER].card.raw == text
