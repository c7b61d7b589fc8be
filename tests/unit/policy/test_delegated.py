"""What a delegation says has bounds, and no two users are one to policy."""

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governd.errors import RequestError
from governd.identity import SpiffeId
from governd.identity.user import MAX_BYTES, User
from governd.policy.delegated import (
    MAX_NAMED_TOOLS,
    PLAIN,
    Circumstances,
    DelegatedTools,
    Delegation,
    EvidenceKind,
    check_actor,
    read_user,
    user_id,
)
from governd.policy.question import Question, ResourceRef
from tests.policies import ALICE, EXPIRES, READER, WRITER, acting, question

pytestmark = pytest.mark.req("gi-3", part=True)

ISSUERS = st.text(st.sampled_from("ab:/?é"), min_size=1, max_size=4)
SUBJECTS = st.text(st.sampled_from("ab:/#é"), min_size=1, max_size=4)


TEXTS = frozenset(map(str, range(32)))
MANY = DelegatedTools(frozenset({"call"}), TEXTS, TEXTS)


def given_to_writer(**parts: Any) -> Delegation:
    found = acting(ALICE, **parts).delegation
    assert found
    return found


@given(ISSUERS, SUBJECTS, ISSUERS, SUBJECTS)
def test_no_two_users_have_one_id(one: str, first: str, other: str, second: str) -> None:
    users = User(one, first), User(other, second)
    assert (user_id(users[0]) == user_id(users[1])) is (users[0] == users[1])
    assert read_user(user_id(users[0]), field="user") == users[0]


@pytest.mark.parametrize(
    "text",
    [
        *("", "alice", "#alice", "https://idp.example#", "a#b\n", "a\x00#b", "a#\ud800"),
        *("a#" + "b" * (MAX_BYTES + 1), "é" * 600 + "#b"),
    ],
)
def test_what_names_no_user_is_refused(text: str) -> None:
    with pytest.raises(RequestError) as raised:
        read_user(text, field="user")
    assert raised.value.field == "user"


BAD: dict[str, dict[str, Any]] = {
    "an issuer with a fragment": {"user": User("https://idp.example#x", "alice")},
    "a user without a subject": {"user": User("https://idp.example", "")},
    "no actor": {"actors": ()},
    "no evidence": {"evidence": frozenset()},
    "an end before 1970": {"expires": -1.0},
    "an end after 9999": {"expires": 1e12},
    "an end that is no number": {"expires": math.nan},
    "a binding that there is not": {"binding": 4},
    "a binding below none": {"binding": -1},
    "a level that there is not": {"kya_level": 4},
    "a level below none": {"kya_level": -1},
    "more tools than policies look at": {
        "details": (MANY._replace(tools=frozenset("abcde")), MANY)
    },
}


@pytest.mark.parametrize("parts", BAD.values(), ids=BAD.keys())
def test_what_no_evidence_can_say_is_refused(parts: dict[str, Any]) -> None:
    with pytest.raises(RequestError):
        replace(given_to_writer(), **parts)


def test_as_many_tools_as_policies_look_at_are_taken() -> None:
    assert MANY.named == MAX_NAMED_TOOLS
    assert given_to_writer(details=(MANY,)).details == (MANY,)


def test_the_last_actor_is_the_one_that_the_user_turned_to() -> None:
    delegation = given_to_writer()
    assert (delegation.origin, delegation.depth) == (SpiffeId.parse(WRITER), 1)
    longer = acting(ALICE, READER, WRITER).delegation
    assert longer
    assert (longer.origin, longer.depth) == (SpiffeId.parse(WRITER), 2)


def test_what_is_delegated_to_another_is_not_the_callers_to_use() -> None:
    with pytest.raises(RequestError) as raised:
        question(READER, circumstances=acting(ALICE, WRITER))
    assert raised.value.field == "delegation.actors"
    with pytest.raises(RequestError):
        Question(
            SpiffeId.parse(READER),
            "tools/call",
            ResourceRef("tool", "git/open"),
            circumstances=acting(ALICE, WRITER, READER),
        )
    check_actor(PLAIN, SpiffeId.parse(READER))


def test_circumstances_end_with_whatever_ends_first() -> None:
    assert PLAIN.ends == math.inf
    assert Circumstances(1, until=5.0).ends == 5.0
    assert acting(ALICE).ends == EXPIRES
    assert acting(ALICE)._replace(until=5.0).ends == 5.0
    assert acting(ALICE)._replace(until=EXPIRES + 1).ends == EXPIRES


def test_only_an_acting_as_token_limits_by_itself() -> None:
    assert not PLAIN.limited
    assert not acting(ALICE, scopes=["openid"], evidence=["access_token"]).limited
    assert acting(ALICE, evidence=["acting_as"]).limited
    assert acting(ALICE, scopes=["a"], evidence=["acting_as", "id_token"]).limited


def test_what_is_remembered_of_a_delegation_costs_what_it_says() -> None:
    short, tools = given_to_writer(), DelegatedTools(*(frozenset({"x" * 500}),) * 3)
    assert PLAIN.chars == 0
    assert acting(ALICE).chars == short.chars > len(ALICE) + len(WRITER)
    assert given_to_writer(scopes=["s" * 1000]).chars > short.chars + 1000
    assert given_to_writer(granted=frozenset({"s" * 1000})).chars > short.chars + 1000
    assert given_to_writer(details=(tools,)).chars > short.chars + 1500


def test_kinds_of_evidence_are_the_words_of_policies() -> None:
    assert {one.value for one in EvidenceKind} == {"id_token", "access_token", "acting_as"}
