"""What the operator is told of agents: page by page, and never more than is known."""

import pytest

from governd._proto.governd.v1 import admin_service_pb2 as admin
from governd._proto.governd.v1 import agent_service_pb2 as pb
from governd.errors import AgentUnknownError, RequestError
from governd.identity import SpiffeId
from governd.services import admin_agents
from governd.services.admin_agents import AdminAgents
from governd.services.agents import MAX_PROBLEMS, agent
from tests.agent_cards import CALLER, REGISTRY, card, signed, skill
from tests.fakes.authority import HOUR, NOON
from tests.known_agents import KEY, Node, kya_table

SHOP = [SpiffeId.parse(f"spiffe://example.org/ns/shop/sa/a{number}") for number in range(5)]


@pytest.fixture
async def node() -> Node:
    return await Node.started()


@pytest.mark.parametrize("quarantined", [False, True])
async def test_pages_miss_nobody_and_repeat_nobody(
    node: Node, monkeypatch: pytest.MonkeyPatch, quarantined: bool
) -> None:
    monkeypatch.setattr(admin_agents, "PAGE_BYTES", 700)
    for number, one in enumerate(SHOP):
        await node.register(signed(card()), one)
        if number % 2:
            await node.register(signed(card(skills=[skill("pay")])), one)
    answers, found, token = AdminAgents(node.agents, node.keeper), [], ""
    for _ in SHOP:
        request = admin.ListAgentsRequest(quarantined=quarantined, page_token=token)
        page = answers.list(request)
        assert page.agents
        found += [one.agent.spiffe_id for one in page.agents]
        token = page.next_page_token
        if not token:
            break
    assert found == [str(one) for number, one in enumerate(SHOP) if number % 2 or not quarantined]
    with pytest.raises(RequestError):
        answers.list(admin.ListAgentsRequest(page_token="next"))


async def test_an_approval_needs_an_agent_and_a_digest(node: Node) -> None:
    answers = AdminAgents(node.agents, node.keeper)
    for fields in ({"spiffe_id": "x"}, {"spiffe_id": str(CALLER), "digest": "sha-256:1"}):
        with pytest.raises(RequestError):
            await answers.approve(admin.ApproveAgentRequest(**fields))
    with pytest.raises(RequestError):
        answers.get(admin.GetAgentStatusRequest())


async def test_what_is_forgotten_is_told_as_it_was_known(node: Node) -> None:
    answers = AdminAgents(node.agents, node.keeper)
    await node.register(signed(card()))
    epoch = node.epoch
    done = await answers.forget(admin.ForgetAgentRequest(spiffe_id=str(CALLER)))
    assert (done.status.agent.spiffe_id, done.status.agent.level) == (str(CALLER), 2)
    assert done.policy.epoch == node.epoch != epoch
    assert answers.level_of(CALLER).level == 0
    with pytest.raises(AgentUnknownError):
        await answers.forget(admin.ForgetAgentRequest(spiffe_id=str(CALLER)))
    with pytest.raises(RequestError):
        await answers.forget(admin.ForgetAgentRequest(spiffe_id="planner"))


@pytest.mark.req("gi-6", part=True)
async def test_an_agent_says_what_is_verified_what_ends_and_what_is_missing(node: Node) -> None:
    found = agent(await node.register(card(), attestation="a.b.c"), NOON)
    assert (found.level, found.signature) == (1, pb.CARD_SIGNATURE_STATUS_UNSIGNED)
    assert found.attestation_fault == pb.ATTESTATION_FAULT_MALFORMED
    assert not found.HasField("level_ends")
    assert 1 < len(found.problems) <= MAX_PROBLEMS
    assert str(REGISTRY) not in "".join(found.problems)


async def test_no_answer_says_that_a_key_signed_a_card_which_has_ended() -> None:
    ends = NOON + HOUR
    node = await Node.started(kya_table([{**KEY, "not_after": ends}]))
    known = await node.register(signed(card()))
    assert agent(known, NOON).signature == pb.CARD_SIGNATURE_STATUS_VERIFIED
    found = agent(known, ends)
    assert (found.signature, found.key_id) == (pb.CARD_SIGNATURE_STATUS_UNTRUSTED_KEY, "")
    assert "signatures: the key has ended" in found.problems
