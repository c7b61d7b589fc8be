"""What a question can reach, and what agents are without being listed."""

from typing import Any

import pytest

from governd.policy import inquiry
from governd.policy.capabilities import add_grants
from governd.policy.entities import EntityGraph, Uid, mentioned_entities
from governd.policy.inquiry import translate
from governd.policy.manifest import Grant
from tests.policies import PERMIT_ALL, READER, WRITER, ask, compiled, question

NAMESPACED = "spiffe://example.org/ns/shop/sa/bot"
GRANTS = """
[[grant]]
agents = ["spiffe://example.org/agent/writer"]
capabilities = ["git:write"]
[[grant]]
groups = ["staff"]
capabilities = ["git:read"]
destructive = ["git/reset"]
[[grant]]
namespaces = ["shop"]
capabilities = ["shop:buy"]
[[grant]]
agents = ["spiffe://example.org/agent/writer"]
capabilities = ["git:more"]
"""


def group(name: str, *parents: str) -> dict[str, Any]:
    return {
        "uid": Uid("Group", name).json(),
        "parents": [Uid("Group", one).json() for one in parents],
    }


def agent(name: str, *groups: str) -> dict[str, Any]:
    return {
        "uid": Uid("Agent", name).json(),
        "parents": [Uid("Group", one).json() for one in groups],
    }


ENTITIES = [
    agent(READER, "juniors"),
    group("juniors", "staff"),
    group("staff", "all"),
    group("all"),
]


def graph(**parts: Any) -> EntityGraph:
    return compiled(**{"grants": GRANTS, "entities": ENTITIES, **parts}).graph


def capabilities(graph: EntityGraph, name: str) -> list[str]:
    record = graph.record(Uid("Agent", name))
    assert record
    found: list[str] = record["attrs"]["capabilities"]
    return found


def test_grants_to_one_holder_add_up() -> None:
    assert capabilities(graph(), WRITER) == ["git:more", "git:write"]


def test_grants_reach_agents_through_groups_of_groups() -> None:
    record = graph().record(Uid("Agent", READER))
    assert record
    assert record["attrs"]["capabilities"] == ["git:read"]
    assert record["attrs"]["destructive"] == [{"__entity": {"type": "Tool", "id": "git/reset"}}]


def test_an_agent_that_is_not_listed_is_in_its_namespace() -> None:
    assert capabilities(graph(), NAMESPACED) == ["shop:buy"]
    record = graph().record(Uid("Agent", NAMESPACED))
    assert record
    assert record["parents"] == [Uid("Namespace", "shop").json()]


def test_a_namespace_is_of_the_manifests_trust_domain_alone() -> None:
    assert capabilities(graph(), NAMESPACED.replace("example.org", "example.com")) == []


def test_a_stranger_has_nothing() -> None:
    assert capabilities(graph(), "spiffe://example.org/agent/stranger") == []


def test_the_revoked_are_in_their_group() -> None:
    record = graph(manifest=f'[revoked]\nsubjects = ["{WRITER}"]\n').record(Uid("Agent", WRITER))
    assert record
    assert record["parents"] == [Uid("Group", "revoked").json()]


def test_a_name_that_nobody_can_have_is_nobody() -> None:
    assert graph().record(Uid("Agent", "writer")) is None


def test_a_reference_to_nobody_answers_all_the_same() -> None:
    schema = "entity Repo = { owner: Agent };"
    owner = {"__entity": {"type": "Agent", "id": "writer"}}
    repo = {"uid": {"type": "Repo", "id": "r"}, "attrs": {"owner": owner}}
    text = '@id("x") permit (principal, action, resource) when { Repo::"r".owner != principal };'
    assert ask(compiled(text, schema=schema, entities=[repo])).reasons == ("x",)


def test_listed_and_unlisted() -> None:
    assert graph().record(Uid("Group", "staff"))
    assert graph().record(Uid("Group", "nobody")) is None


def test_a_question_reaches_what_policies_about_it_mention_and_no_more() -> None:
    about = (
        'forbid (principal == Agent::"{}", action, resource) when {{ principal in Group::"{}" }};'
    )
    policy = compiled(
        about.format(WRITER, "staff") + about.format(READER, "juniors"), entities=ENTITIES
    )
    reached = str(translate(policy, question(WRITER)).asked.part.entities)
    assert '"staff"' in reached
    assert '"juniors"' not in reached


def test_what_policies_mention_can_be_reached() -> None:
    text = (
        '@id("x") permit (principal, action, resource) when { Group::"juniors" in Group::"all" };'
    )
    assert ask(compiled(text, entities=ENTITIES)).reasons == ("x",)


def test_what_attributes_refer_to_can_be_reached() -> None:
    schema = "entity Repo = { owner: Group };"
    owner = {"__entity": {"type": "Group", "id": "juniors"}}
    repo = {"uid": {"type": "Repo", "id": "r"}, "attrs": {"owner": owner}}
    text = '@id("x") permit (principal, action, resource) when { Repo::"r".owner in Group::"all" };'
    policy = compiled(text, schema=schema, entities=[*ENTITIES, repo])
    assert ask(policy).reasons == ("x",)


def test_an_agent_may_act_on_itself() -> None:
    text = '@id("x") permit (principal, action == Action::"agent/invoke", resource);'
    assert ask(compiled(text), WRITER, "agent/invoke", f"agent:{WRITER}").allowed


def test_an_empty_grant_gives_nothing() -> None:
    assert add_grants([Grant(capabilities=("x",))]) == {}


def test_mentions_are_found_at_any_depth() -> None:
    one = {"__entity": {"type": "A", "id": "1"}}
    value = [{"a": [one, {"__entity": {"type": "only"}}]}, {"__entity": "x"}, 1]
    assert list(mentioned_entities(value)) == [Uid("A", "1")]


@pytest.mark.parametrize("name", [WRITER, READER])
def test_tags_of_a_listed_agent_can_be_judged(name: str) -> None:
    text = (
        '@id("x") permit (principal is Agent, action, resource) '
        'when { principal.hasTag("team") && principal.getTag("team") == "research" };'
    )
    listed = {"uid": Uid("Agent", READER).json(), "tags": {"team": "research"}}
    policy = compiled(text, entities=[listed])
    assert ask(policy, name).allowed is (name == READER)


def test_what_is_remembered_of_questions_is_bounded_by_what_it_holds() -> None:
    policy = compiled(PERMIT_ALL)
    assert ask(policy, WRITER).allowed
    (one,) = policy.asked.values()
    assert one.chars > one.part.chars > 500


def test_what_is_too_large_to_be_kept_is_answered_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inquiry, "MAX_CACHED_CHARS", 1)
    policy = compiled(PERMIT_ALL)
    assert ask(policy).allowed
    assert not policy.asked
