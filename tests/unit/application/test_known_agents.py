"""How well an agent is known is a circumstance of every question about it, and ends with it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from governd.application.agents import KnownLevel
from governd.application.answer import Answer
from governd.application.call import Call
from governd.application.known_agents import known, nobody_known
from governd.identity import SpiffeId
from governd.identity.user import User
from governd.kya.level import Level
from governd.policy.decision import DecisionCode
from governd.policy.delegated import PLAIN, Circumstances, Delegation, EvidenceKind
from governd.policy.question import Question, ResourceRef
from tests.agent_cards import CALLER, card, signed
from tests.fakes.authority import NOON
from tests.known_agents import KEY, Node, kya_table, who

ONLY_SIGNED = '@id("signed") permit (principal, action, resource) when { context.kya_level >= 2 };'
SIGNED = signed(card())
OPEN = Question(CALLER, "tools/call", ResourceRef("tool", "git/open"))


class Unlimited:
    """A rate without an end."""

    def charge(self, count: int, now: float) -> None:
        """Takes nothing."""


async def asked(node: Node, question: Question = OPEN) -> Answer:
    this = Call(who(CALLER), None, Unlimited(), lambda: 0.0)
    return await node.evaluator.evaluate(this, question)


@pytest.mark.req("gi-6", part=True)
async def test_policy_sees_the_level_at_once_when_it_changes() -> None:
    node = await Node.started(policies=ONLY_SIGNED)
    found = []
    for one in (None, card(), SIGNED, signed(card(version="2"))):
        if one is not None:
            await node.register(one)
        found.append((await asked(node)).decision.allowed)
    assert found == [False, False, True, False]
    assert [one["kya_level"] for one in node.records("decision")] == [0, 1, 2, 0]


@pytest.mark.req("gi-6", part=True)
async def test_no_lease_and_no_memory_outlives_the_level() -> None:
    ends = NOON + timedelta(seconds=4)
    keys = kya_table([{**KEY, "not_after": ends}])
    node = await Node.started(keys, policies=ONLY_SIGNED)
    await node.register(SIGNED)
    assert (await asked(node)).decision.lease_seconds == pytest.approx(4)
    node.now = ends.timestamp() - 1
    assert (await asked(node)).decision.lease_seconds == pytest.approx(1)
    node.now = ends.timestamp()
    assert (await asked(node)).decision.code is DecisionCode.NOT_PERMITTED


def test_of_an_agent_that_nobody_knows_nothing_is_said() -> None:
    assert known(CALLER, PLAIN, nobody_known) is PLAIN


def test_a_users_own_token_was_shown_by_the_agent_an_acting_as_token_speaks_for_itself() -> None:
    def level_of(_: SpiffeId) -> KnownLevel:
        return KnownLevel(Level.SIGNED, 50.0)

    kinds = frozenset({EvidenceKind.ID_TOKEN})
    own = Delegation(User("https://idp.example", "alice"), (CALLER,), kinds, 100.0)
    found = known(CALLER, Circumstances(delegation=own, until=80.0), level_of)
    assert found == Circumstances(2, replace(own, kya_level=2), 50.0)
    token = replace(own, evidence=frozenset({EvidenceKind.ACTING_AS}), kya_level=1)
    assert known(CALLER, Circumstances(delegation=token), level_of).delegation is token
