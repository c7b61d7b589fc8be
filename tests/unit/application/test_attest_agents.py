"""governd attests what it knows of an agent: to it alone, on record, and not for long."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from governd.errors import DecisionLogError, IdentityError
from governd.identity.x5c import thumbprint
from governd.kya.attestation import MAX_LIFETIME
from governd.kya.attestation_check import AttestationCheck, AttesterRule, Expected
from governd.kya.attestation_check import VerifiedAttestation as Verified
from governd.kya.level import Level
from tests.agent_cards import AUTHORITY, CALLER, NODE, THIEF, World, card, signed, signer
from tests.fakes.authority import NOON
from tests.known_agents import Node, kya_table, who

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
    found = await node.attester.of(who(CALLER), held)
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
    found = await node.attester.of(who(CALLER), None)
    assert found is not None
    (record,) = node.records("kya_attestation")
    assert (record["token_id"], record["level"]) == (found.attestation.token_id, 2)
    assert node.log.durable == len(node.log.lines)
    assert found.token.encode() not in node.log.lines[-1]
    node.now += 1801
    node.log.unsynced = True
    with pytest.raises(DecisionLogError):
        await node.attester.of(who(CALLER), None)
    assert node.observer.attestations == 1


async def test_one_is_handed_out_until_half_of_its_time_is_over(node: Node) -> None:
    first = await node.attester.of(who(CALLER), None)
    node.now += MAX_LIFETIME.total_seconds() / 2 - 1
    assert await node.attester.of(who(CALLER), None) is first
    node.now += 1
    second = await node.attester.of(who(CALLER), None)
    assert first is not None
    assert second is not None
    assert second.attestation.token_id != first.attestation.token_id


async def test_whatever_it_says_is_another_leads_to_another(node: Node) -> None:
    found = [await node.attester.of(who(CALLER), None)]
    found.append(await node.attester.of(who(CALLER), holding(CALLER)))
    await node.put(kya_table(keys=()))
    found.append(await node.attester.of(who(CALLER), None))
    node.signer = signer(NODE)
    found.append(await node.attester.of(who(CALLER), None))
    assert len({one.attestation.token_id for one in found if one}) == len(found)
    assert [int(one.attestation.level) for one in found if one] == [2, 2, 1, 1]


@pytest.mark.req("gi-6", part=True)
async def test_nothing_is_attested_of_whom_nothing_is_known_or_who_is_revoked(node: Node) -> None:
    assert await node.attester.of(who(THIEF), None) is None
    await node.register(SIGNED, THIEF)
    assert await node.attester.of(who(THIEF), None) is None
    await node.put(kya_table(), more=REVOKING)
    assert node.level() == Level.SIGNED
    assert await node.attester.of(who(CALLER), None) is None


async def test_without_somebody_to_sign_there_is_none(node: Node) -> None:
    node.signer_error = IdentityError("no signing identity")
    assert await node.attester.of(who(CALLER), None) is None
    node.signer_error = None
    node.signer = signer(NODE, lifetime=timedelta(0))
    assert await node.attester.of(who(CALLER), None) is None
