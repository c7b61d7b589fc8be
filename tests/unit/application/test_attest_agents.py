"""governd attests what it knows of an agent: to it alone, on record, and not for long."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from governd.errors import DecisionLogError, IdentityError
from governd.identity.x509_rules import thumbprint
from governd.kya.attestation import MAX_LIFETIME
from governd.kya.attestation_check import (
    AttestationCheck,
    AttestationFault,
    AttesterRule,
    Expected,
)
from governd.kya.attestation_check import VerifiedAttestation as Verified
from governd.kya.card_signature import SignatureStatus
from governd.kya.level import Level
from tests.agent_cards import (
    AUTHORITY,
    CALLER,
    NODE,
    THIEF,
    World,
    card,
    self_signed,
    signed,
    signer,
)
from tests.fakes.authority import HOUR, NOON
from tests.known_agents import Node, call, kya_table

SIGNED = signed(card())
REVOKING = f'[revoked]\nsubjects = ["{CALLER}"]\n'


@pytest.fixture
async def node() -> Node:
    node = await Node.started()
    await node.register(SIGNED)
    return node


def holding(*spiffe_ids: object) -> Any:
    """Identities that governd holds, as far as this asks for them."""
    svids = [
        SimpleNamespace(spiffe_id=one, chain=AUTHORITY.issue(str(one)).chain) for one in spiffe_ids
    ]
    return SimpleNamespace(at=lambda _: SimpleNamespace(svids=svids), svids=svids)


@pytest.mark.req("gi-6", part=True)
async def test_what_is_attested_verifies_at_whoever_lets_this_node_attest(node: Node) -> None:
    held = holding(THIEF, CALLER)
    found = await node.attester.of(call(CALLER, held))
    assert found is not None
    certificate = thumbprint(held.svids[1].chain[0])
    rules = [AttesterRule(str(NODE), Level.ATTESTED)]
    check = AttestationCheck(World().verifier, rules)
    digest = node.keeper.get(CALLER).card.digest
    checked = check.check(found.token, Expected(CALLER, frozenset({certificate}), digest), NOON)
    assert isinstance(checked, Verified), checked
    assert (checked.level, checked.attestation) == (Level.SIGNED, found.attestation)
    assert checked.attestation.policy_digest == node.policies.state.policy.digest  # type: ignore[union-attr]
    stolen = check.check(found.token, Expected(THIEF, frozenset({certificate}), digest), NOON)
    assert not isinstance(stolen, Verified)


@pytest.mark.req("gi-6", part=True)
async def test_it_is_durably_on_record_before_anybody_has_it_and_the_token_is_not(
    node: Node,
) -> None:
    found = await node.attester.of(call())
    assert found is not None
    (record,) = node.records("kya_attestation")
    assert (record["token_id"], record["level"]) == (found.attestation.token_id, 2)
    assert node.log.durable == len(node.log.lines)
    assert found.token.encode() not in node.log.lines[-1]
    node.now += 1801
    node.log.unsynced = True
    with pytest.raises(DecisionLogError):
        await node.attester.of(call())
    assert node.observer.attestations == 1


async def test_one_is_handed_out_until_half_of_its_time_is_over(node: Node) -> None:
    first = await node.attester.of(call())
    node.now += MAX_LIFETIME.total_seconds() / 2 - 1
    assert await node.attester.of(call()) is first
    node.now += 1
    second = await node.attester.of(call())
    assert first is not None
    assert second is not None
    assert second.attestation.token_id != first.attestation.token_id


async def test_whatever_it_says_is_another_leads_to_another(node: Node) -> None:
    found = [await node.attester.of(call())]
    found.append(await node.attester.of(call(CALLER, holding(CALLER))))
    await node.put(kya_table(keys=()))
    found.append(await node.attester.of(call()))
    node.signer = signer(NODE)
    found.append(await node.attester.of(call()))
    assert len({one.attestation.token_id for one in found if one}) == len(found)
    assert [int(one.attestation.level) for one in found if one] == [2, 2, 1, 1]


@pytest.mark.req("gi-6", part=True)
async def test_it_is_bound_to_the_certificate_that_the_channel_showed(node: Node) -> None:
    shown = thumbprint(AUTHORITY.issue(str(CALLER)).chain[0])
    found = await node.attester.of(call(certificate=shown))
    assert found is not None
    check = AttestationCheck(World().verifier, [AttesterRule(str(NODE), Level.ATTESTED)])
    assert isinstance(
        check.check(found.token, Expected(CALLER, frozenset({shown})), NOON), Verified
    )
    other = check.check(found.token, Expected(CALLER, frozenset({"A" * 43})), NOON)
    assert getattr(other, "fault", None) is AttestationFault.OTHER_CERTIFICATE


async def test_each_replica_of_an_agent_keeps_its_own(node: Node) -> None:
    one, other = call(certificate="A" * 43), call(certificate="B" * 42 + "A")
    first, second = await node.attester.of(one), await node.attester.of(other)
    assert first is not None
    assert second is not None
    assert first.attestation.certificate != second.attestation.certificate
    assert await node.attester.of(one) is first
    assert await node.attester.of(other) is second
    assert node.observer.attestations == 2


@pytest.mark.req("gi-6", part=True)
async def test_nothing_is_attested_of_whom_nothing_is_known_or_who_is_revoked(node: Node) -> None:
    assert await node.attester.of(call(THIEF)) is None
    await node.register(SIGNED, THIEF)
    assert await node.attester.of(call(THIEF)) is None
    await node.put(kya_table(), more=REVOKING)
    assert node.level() == Level.SIGNED
    assert await node.attester.of(call()) is None


async def test_attack_what_is_attested_is_not_handed_out_again_once_a_key_of_it_has_ended() -> None:
    node = await Node.started()
    own = AUTHORITY.issue(str(CALLER), lifetime=HOUR / 60)
    await node.register(self_signed(card(), own))
    first = await node.attester.of(call())
    node.now += 60
    second = await node.attester.of(call())
    assert first is not None
    assert second is not None
    assert (first.attestation.signature, second.attestation.signature) == (
        SignatureStatus.VERIFIED,
        SignatureStatus.UNTRUSTED_KEY,
    )
    assert second.attestation.level == first.attestation.level == Level.BOUND


async def test_without_somebody_to_sign_there_is_none(node: Node) -> None:
    node.signer_error = IdentityError("no signing identity")
    assert await node.attester.of(call()) is None
    node.signer_error = None
    node.signer = signer(NODE, lifetime=timedelta(0))
    assert await node.attester.of(call()) is None
