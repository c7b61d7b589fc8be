"""Policies decide by what a known agent's card says, and whoever does not ask is told nothing."""

import pytest

from governd.policy.asked import MAX_CACHED_CHARS
from governd.policy.decision import Decision
from governd.policy.delegated import PLAIN, Circumstances
from governd.policy.inquiry import translate
from governd.policy.known_card import KnownCard
from tests.policies import ALICE, PERMIT_ALL, WRITER, acting, ask, compiled, question
from tests.unit.policy.test_filtering import about_open, shown

pytestmark = pytest.mark.req("gi-6", part=True)

CLERK = KnownCard("clerk", "Acme", frozenset({"orders", "refunds"}), "2")
OTHER = KnownCard("other", "Other", frozenset({"orders"}), "1")
TOLD = {
    "the name": 'context.kya.name == "clerk"',
    "the provider": 'context.kya.provider == "Acme"',
    "a skill": 'context.kya.skills.contains("refunds")',
    "the version": 'context.kya.card_version == "2"',
    "all of it": (
        'context.kya == {name: "clerk", provider: "Acme", skills: ["refunds", "orders"],'
        ' card_version: "2"}'
    ),
}


def of(card: KnownCard | None, level: int = 1) -> Circumstances:
    return Circumstances(level, kya=card)


@pytest.mark.parametrize("condition", TOLD.values(), ids=TOLD.keys())
def test_a_policy_is_told(condition: str) -> None:
    policy = compiled(about_open("permit", f"context has kya && {condition}", '@id("it")'))

    def asked(circumstances: Circumstances) -> Decision:
        return ask(policy, WRITER, circumstances=circumstances)

    for _ in range(2):
        assert asked(of(CLERK)).reasons == ("it",)
        for other in (of(OTHER), of(None), PLAIN, acting(ALICE, own_level=1)):
            assert not asked(other).allowed


def test_a_shadow_policy_is_told_the_same() -> None:
    shadow = about_open("forbid", "context has kya", '@id("it") @mode("shadow")')
    policy = compiled(PERMIT_ALL + shadow)
    assert ask(policy, WRITER, circumstances=of(CLERK)).shadow
    assert not ask(policy, WRITER, circumstances=of(None)).shadow


def test_a_list_is_shown_by_the_card_of_who_looks_at_it() -> None:
    policy = compiled(about_open("permit", f"context has kya && {TOLD['a skill']}"))
    for _ in range(2):
        for bootstrap in (False, True):
            assert shown(policy, "open", circumstances=of(CLERK), bootstrap=bootstrap) == ["open"]
            for other in (of(OTHER), of(None), PLAIN):
                assert shown(policy, "open", circumstances=other, bootstrap=bootstrap) == []


EXTENSION = (
    "entity Repo; action push appliesTo { principal: [Agent], resource: [Repo], context: %s };"
)
OWN = "{ args_undeclared: Bool, delegated: Bool, kya_level: Long }"


def test_an_action_of_an_extension_is_told_where_its_context_is_governds() -> None:
    told = "permit (principal, action, resource) when { context has kya };"
    policy = compiled(told, schema=EXTENSION % "Circumstances")
    for circumstances in (of(CLERK), PLAIN, of(CLERK)):
        decision = ask(policy, WRITER, "push", "Repo:x", circumstances=circumstances)
        assert decision.allowed is (circumstances is not PLAIN)
    closed = compiled(PERMIT_ALL, schema=EXTENSION % OWN)
    for circumstances in (of(CLERK), PLAIN, of(CLERK)):
        decision = ask(closed, WRITER, "push", "Repo:x", circumstances=circumstances)
        assert decision.allowed is (circumstances is PLAIN)


def test_cards_that_no_policy_tells_apart_are_one_question() -> None:
    policy = compiled(PERMIT_ALL)
    for number in range(50):
        assert ask(policy, WRITER, circumstances=of(KnownCard(str(number)))).allowed
    assert len(policy.asked) == 2


def test_cards_that_a_policy_tells_apart_are_not() -> None:
    policy = compiled(about_open("permit", f"context has kya && {TOLD['a skill']}"))
    one, two = (
        translate(policy, question(WRITER, circumstances=of(card))).asked for card in (CLERK, OTHER)
    )
    assert one is not two


def test_a_card_counts_for_what_keeping_it_costs() -> None:
    assert of(CLERK).chars > of(KnownCard()).chars > of(None).chars
    long = KnownCard(skills=frozenset({"x" * MAX_CACHED_CHARS}))
    policy = compiled(about_open("permit", "context has kya && context.kya.skills.isEmpty()"))
    assert not ask(policy, WRITER, circumstances=of(long)).allowed
    assert len(policy.asked) == 1


def test_of_a_call_for_a_user_it_is_the_agents_card() -> None:
    policy = compiled(
        about_open("permit", f"context.delegated && context has kya && {TOLD['the provider']}")
    )
    given = acting(ALICE, own_level=2)
    assert ask(policy, WRITER, circumstances=given._replace(kya=CLERK)).allowed
    assert not ask(policy, WRITER, circumstances=given).allowed
