"""A caller knows of its own tenant's agents, and of those that policy lets it invoke."""

import pytest

from governd.application.see_agents import AgentViewer
from governd.errors import AgentUnknownError, DecisionLogError
from governd.identity import SpiffeId
from tests.agent_cards import CALLER, REGISTRY, THIEF, card
from tests.known_agents import Node, call, kya_table
from tests.policies import ACME, BETA, TENANTS

BOT, OTHER = SpiffeId.parse(ACME), SpiffeId.parse("spiffe://example.org/ns/acme/sa/other")
STRANGER = SpiffeId.parse(BETA)
FOREIGN = SpiffeId.parse("spiffe://partner.example/spy")
MAY_INVOKE = (
    '@id("may") permit (principal, action == Action::"agent/invoke", resource)\n'
    'when { resource == Agent::"%s" };\n'
)
WITH_DUTY = MAY_INVOKE.replace('@id("may")', '@id("may") @obligation("notify;to=ops")')
NOTHING = '@id("none") permit (principal, action == Action::"tools/list", resource);\n'


class Viewed:
    """A node with agents of two tenants, of which one asks about others."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self._viewer = AgentViewer(node.policies, node.evaluator, node.keeper)

    async def get(self, wanted: SpiffeId, caller: SpiffeId = BOT) -> SpiffeId:
        return (await self._viewer.get(call(caller), wanted)).spiffe_id

    async def refused(self, wanted: SpiffeId, caller: SpiffeId = BOT) -> tuple[str, dict[str, str]]:
        """What is told of one that a caller may not know of."""
        with pytest.raises(AgentUnknownError) as raised:
            await self.get(wanted, caller)
        said = str(raised.value).replace(str(wanted), "it")
        return said, {**raised.value.metadata, "spiffe_id": "it"}


async def viewed(policies: str = NOTHING, more: str = TENANTS) -> Viewed:
    node = await Node.started(policies=NOTHING)
    await node.put(kya_table(), policies=policies, more=more)
    for one in (BOT, OTHER, STRANGER):
        await node.register(card(), one)
    return Viewed(node)


async def test_an_agent_sees_itself_and_its_tenants_and_nobody_is_asked() -> None:
    seen = await viewed()
    assert [await seen.get(one) for one in (BOT, OTHER)] == [BOT, OTHER]
    assert seen.node.records("decision") == []


async def test_attack_an_agent_of_another_tenant_is_as_unknown_as_one_that_is_not_there() -> None:
    seen = await viewed()
    hidden = await seen.refused(STRANGER)
    assert hidden == await seen.refused(SpiffeId.parse(f"{BETA}-2"))
    assert hidden == await seen.refused(SpiffeId.parse("spiffe://example.org/ns/acme/sa/nobody"))
    assert hidden == await seen.refused(BOT, STRANGER)
    asked = [(one["action"], one["code"]) for one in seen.node.records("decision")]
    assert asked == [("agent/invoke", "NOT_PERMITTED")] * 3


async def test_policy_may_let_a_caller_know_whom_it_may_invoke() -> None:
    seen = await viewed(MAY_INVOKE % BETA)
    assert await seen.get(STRANGER) == STRANGER
    (record,) = seen.node.records("decision")
    assert (record["subject"], record["resource"]["id"]) == (ACME, BETA)
    await seen.refused(CALLER)


async def test_a_permit_with_a_duty_shows_nothing_as_nobody_could_fulfil_it() -> None:
    seen = await viewed(WITH_DUTY % BETA)
    await seen.refused(STRANGER)


async def test_attack_to_have_no_tenant_is_not_to_be_of_one() -> None:
    seen = await viewed()
    await seen.node.register(card(), CALLER)
    assert await seen.get(CALLER, CALLER) == CALLER
    assert await seen.refused(CALLER, THIEF) == await seen.refused(REGISTRY, THIEF)
    assert len(seen.node.records("decision")) == 2


@pytest.mark.parametrize("more", ["", TENANTS])
async def test_attack_a_workload_of_another_trust_domain_is_told_of_agents_without_a_tenant(
    more: str,
) -> None:
    seen = await viewed(more=more)
    await seen.node.register(card(), CALLER)
    await seen.refused(CALLER, FOREIGN)
    (record,) = seen.node.records("decision")
    assert (record["subject"], record["code"]) == (str(FOREIGN), "NOT_PERMITTED")


async def test_without_tenants_all_agents_of_a_node_know_each_other() -> None:
    seen = await viewed(more="")
    assert await seen.get(STRANGER) == STRANGER
    await seen.refused(THIEF)


async def test_before_there_is_a_policy_an_agent_knows_of_itself_alone() -> None:
    node = Node()
    for one in (BOT, OTHER):
        await node.register(card(), one)
    seen = Viewed(node)
    assert await seen.get(BOT) == BOT
    await seen.refused(OTHER)


async def test_what_cannot_be_put_on_record_is_told_as_that() -> None:
    seen = await viewed(MAY_INVOKE % BETA)
    seen.node.log.full = True
    with pytest.raises(DecisionLogError) as raised:
        await seen.get(STRANGER)
    assert raised.value.retry_after
