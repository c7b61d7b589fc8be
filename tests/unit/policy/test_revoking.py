"""Who is revoked beside the source is denied like who is revoked in it, and only as long."""

import pytest

from governd.identity import SpiffeId
from governd.policy.engine import decide
from governd.policy.entities import Uid
from governd.policy.overlay import Overlay
from governd.policy.revoking import revoking
from tests.policies import (
    ALICE,
    BOB,
    PERMIT_ALL,
    READER,
    SERVER,
    WRITER,
    acting,
    compiled,
    question,
)

pytestmark = pytest.mark.req("gi-3", part=True)

PERMITS = f"""{PERMIT_ALL}
@id("tool") permit (principal, action, resource == Tool::"git/open");"""
QUESTIONS = [
    question(),
    question(READER),
    question(action="agent/call", resource=f"agent:{READER}"),
    question(action="resources/read", resource="resource:git/file:///a"),
    *(question(circumstances=acting(user, WRITER, SERVER)) for user in (ALICE, BOB)),
    question(circumstances=acting(BOB, WRITER, READER)),
]
AGENT, USER = Uid("Agent", READER), Uid("User", ALICE)


def test_agents_and_users_beside_the_source_are_on_the_deny_list() -> None:
    plain = compiled()
    policy = revoking(plain, frozenset({READER, ALICE}))
    assert policy.digest == plain.digest
    assert policy.asked is not plain.asked
    for uid in (AGENT, USER):
        assert policy.graph.is_revoked(uid)
        assert not plain.graph.is_revoked(uid)
    for uid in (Uid("Agent", WRITER), Uid("User", BOB)):
        assert not policy.graph.is_revoked(uid)


@pytest.mark.parametrize("one", [WRITER, READER, SERVER, ALICE])
def test_beside_the_source_and_in_it_come_to_the_same(one: str) -> None:
    members = "users" if "#" in one else "subjects"
    stated = compiled(PERMITS, manifest=f'[revoked]\n{members} = ["{one}"]\n')
    policy = revoking(compiled(PERMITS), frozenset({one}))
    told = [decide(policy, asked, age_seconds=0) for asked in QUESTIONS]
    assert told == [decide(stated, asked, age_seconds=0) for asked in QUESTIONS]
    assert any("base/revoked" in decision.reasons for decision in told)
    if "#" not in one:
        assert policy.is_revoked(SpiffeId.parse(one))
        assert stated.is_revoked(SpiffeId.parse(one))
        assert not compiled().is_revoked(SpiffeId.parse(one))


def test_what_the_source_revokes_stays_revoked() -> None:
    plain = compiled(manifest=f'[revoked]\nsubjects = ["{WRITER}"]\n')
    policy = revoking(plain, frozenset({READER}))
    for name in (WRITER, READER):
        assert policy.graph.is_revoked(Uid("Agent", name))


def test_a_revocation_that_ended_leaves_nothing() -> None:
    plain = compiled()
    first = revoking(plain, frozenset({READER}))
    second = revoking(first, frozenset({ALICE}))
    assert not second.graph.is_revoked(AGENT)
    assert second.graph.is_revoked(USER)
    assert revoking(second, frozenset()).graph is plain.graph
    assert revoking(second, frozenset({ALICE})) is second
    assert revoking(plain, frozenset()) is plain


def test_an_overlay_is_both_mappings_and_the_first_one_wins() -> None:
    found = Overlay({"a": 1}, {"a": 2, "b": 3})
    assert dict(found) == {"a": 1, "b": 3}
    assert len(found) == 2
    assert found.get("c") is None
