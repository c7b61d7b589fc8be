"""How well an agent is known is a circumstance of every question about it, and ends with it."""

import math
from dataclasses import replace
from datetime import timedelta

import pytest

from governd.application.agents import NOBODY, KnownLevel
from governd.application.answer import Answer
from governd.application.call import Call
from governd.application.known_agents import known, nobody_known
from governd.identity import SpiffeId
from governd.identity.user import User
from governd.kya.level import Level
from governd.policy.decision import DecisionCode
from governd.policy.delegated import (
    PLAIN,
    Circumstances,
    Delegation,
    EvidenceKind,
    TokenWanted,
)
from governd.policy.known_card import KnownCard
from governd.policy.question import Question, ResourceRef
from tests.agent_cards import AUTHORITY, CALLER, card, self_signed, signed, skill
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


ONLY_PLANNERS = """@id("planners") permit (principal, action, resource) when {
  context has kya && context.kya.provider == "Acme" && context.kya.skills.contains("plan") &&
  context.kya.name == "planner" && context.kya.card_version == "1.2.0"
};"""


@pytest.mark.req("gi-6", part=True)
async def test_policy_sees_what_a_known_agents_card_says_and_of_no_other() -> None:
    node = await Node.started(policies=ONLY_PLANNERS)
    assert not (await asked(node)).decision.allowed
    await node.register(card())
    assert (await asked(node)).decision.reasons == ("planners",)
    thief = Question(ELSEWHERE, "tools/call", ResourceRef("tool", "git/open"))
    await node.register(card(), ELSEWHERE)
    this = Call(who(ELSEWHERE), None, Unlimited(), lambda: 0.0)
    assert not (await node.evaluator.evaluate(this, thief)).decision.allowed, "is not its card"


@pytest.mark.req("gi-6", part=True)
async def test_what_a_card_says_is_gone_at_once_when_it_is_quarantined_or_forgotten() -> None:
    node = await Node.started(policies=ONLY_PLANNERS)
    await node.register(card())
    allowed, epoch = (await asked(node)).decision.allowed, node.epoch
    await node.register(card(skills=[skill("plan"), skill("pay")]))
    assert (allowed, (await asked(node)).decision.allowed) == (True, False)
    assert node.epoch != epoch, "nothing that was leased is left"
    assert node.agents.level(CALLER).card is None
    await node.keeper.approve(CALLER, node.agents.held[CALLER].card.digest)
    assert (await asked(node)).decision.allowed
    epoch = node.epoch
    await node.keeper.forget(CALLER)
    assert not (await asked(node)).decision.allowed
    assert node.epoch != epoch


@pytest.mark.req("gi-6", part=True)
async def test_what_a_card_says_ends_with_what_makes_it_the_agents() -> None:
    node = await Node.started(kya_table(rules=()), policies=ONLY_PLANNERS)
    issued = AUTHORITY.issue(str(CALLER))
    await node.register(self_signed(card(), issued))
    ends = node.agents.level(CALLER).until
    node.now = ends - 1
    found = (await asked(node)).decision
    assert found.allowed
    assert found.lease_seconds == pytest.approx(1)
    node.now = ends
    assert not (await asked(node)).decision.allowed


async def test_of_too_many_skills_none_is_told_as_attestations_have_it() -> None:
    node = await Node.started()
    for many, told in ((9, 9), (200, 0)):
        await node.register(card(skills=[skill(f"skill-{one}") for one in range(many)]), CALLER)
        await node.keeper.approve(CALLER, node.agents.held[CALLER].card.digest)
        found = node.agents.level(CALLER).card
        assert found
        assert len(found.skills) == told


def test_the_subjects_own_card_counts_and_not_that_of_who_delegated_to_it() -> None:
    cards = {one: KnownLevel(Level.BOUND, card=KnownCard(str(one))) for one in (CALLER, PLANNER)}
    found = known(CALLER, chain(2, PLANNER), lambda one: cards.get(one, NOBODY))
    assert found.kya == KnownCard(str(CALLER))
    del cards[CALLER]
    assert known(CALLER, chain(2, PLANNER), lambda one: cards.get(one, NOBODY)).kya is None


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


PLANNER, ELSEWHERE = (SpiffeId.parse(f"spiffe://example.org/agent/{one}") for one in "ab")


def chain(level: int, *others: SpiffeId) -> Circumstances:
    kinds = frozenset({EvidenceKind.ACTING_AS})
    actors = (CALLER, *others)
    user = User("https://idp.example", "alice")
    return Circumstances(delegation=Delegation(user, actors, kinds, 100.0, kya_level=level))


@pytest.mark.req("gi-6", part=True)
@pytest.mark.parametrize(
    ("registered", "level", "until"),
    [
        ({}, 2, math.inf),
        ({PLANNER: KnownLevel(Level.NONE)}, 0, math.inf),
        ({PLANNER: KnownLevel(Level.BOUND, 40.0)}, 1, 40.0),
        ({PLANNER: KnownLevel(Level.ATTESTED, 40.0)}, 2, 40.0),
        (
            {CALLER: KnownLevel(Level.BOUND, 60.0), PLANNER: KnownLevel(Level.SIGNED, 50.0)},
            1,
            50.0,
        ),
        ({ELSEWHERE: KnownLevel(Level.NONE, 5.0)}, 2, math.inf),
    ],
)
def test_a_chain_is_no_better_known_than_any_of_its_actors_that_is_known_here(
    registered: dict[SpiffeId, KnownLevel], level: int, until: float
) -> None:
    found = known(CALLER, chain(2, PLANNER), lambda one: registered.get(one, NOBODY))
    assert found.delegation
    assert (found.delegation.kya_level, found.until) == (level, until)
    assert found.kya_level == int(registered.get(CALLER, NOBODY).level)


def test_what_is_asked_for_stays_what_it_is() -> None:
    token = TokenWanted("crm", ("read",), for_user=False)
    found = known(CALLER, Circumstances(token=token), lambda _: KnownLevel(Level.SIGNED, 50.0))
    assert found == Circumstances(2, None, 50.0, token)
