"""Policies see of a delegation what it says, and of what they do not look at nothing."""

import json
import re
from typing import Any

import cedarpy
import pytest

from governd.policy.context import (
    ANY_DELEGATION,
    MEMBERS,
    OF_A_DELEGATION,
    OF_A_TOKEN,
    members,
    persons,
)
from governd.policy.delegated import PLAIN, Circumstances, DelegatedTools
from governd.policy.entities import Uid
from governd.policy.known_card import OF_A_CARD, KnownCard
from governd.policy.reads import Arguments, delegation_read
from tests.policies import ALICE, BOB, READER, SERVER, WRITER, acting, compiled, schema_text

pytestmark = pytest.mark.req("gi-3", part=True)

FULL = acting(
    ALICE,
    WRITER,
    READER,
    own_level=2,
    kya_level=1,
    binding=3,
    scopes=["b", "a"],
    evidence=["id_token", "acting_as"],
    expires=1_767_268_800.9,
)
REVOKED = f'[revoked]\nsubjects = ["{READER}"]\nusers = ["{BOB}"]\n'


def seen(circumstances: Circumstances, read: Arguments = None, **parts: Any) -> dict[str, Any]:
    policy = compiled(**parts)
    return members(policy.graph, circumstances, read, in_scope=True, servers=policy.servers)


def entity(kind: str, name: str) -> dict[str, object]:
    return {"__entity": {"type": kind, "id": name}}


def test_a_delegation_is_told_as_it_is() -> None:
    assert seen(FULL) == {
        "delegated": True,
        "kya_level": 2,
        "delegation": {
            "user": entity("User", ALICE),
            "user_issuer": "https://idp.example",
            "user_subject": "alice",
            "actors": [entity("Agent", WRITER), entity("Agent", READER)],
            "origin": entity("Agent", READER),
            "depth": 2,
            "scopes": ["a", "b"],
            "granted": [],
            "binding": 3,
            "kya_level": 1,
            "evidence": ["acting_as", "id_token"],
            "expires": {"__extn": {"fn": "datetime", "arg": "2026-01-01T12:00:00Z"}},
            "in_scope": True,
            "revoked": False,
        },
    }


def test_details_are_told_as_the_scopes_that_cover_the_same() -> None:
    detail = DelegatedTools(*map(frozenset, ({"call"}, {SERVER}, {"open"})))
    given = acting(ALICE, scopes=["b"], details=(detail,))
    assert seen(given, frozenset({"scopes"}))["delegation"] == {
        "scopes": ["b", "tools:call:git/open"]
    }


def test_what_an_access_token_grants_is_told() -> None:
    given = acting(ALICE, scopes=["b", "a"], evidence=["access_token"])
    assert seen(given, frozenset({"granted"}))["delegation"] == {"granted": ["a", "b"]}


def test_who_acts_for_itself_has_no_delegation() -> None:
    assert seen(PLAIN) == {"delegated": False, "kya_level": 0}
    assert seen(Circumstances(3)) == {"delegated": False, "kya_level": 3}
    assert persons(PLAIN, None) == ()


def test_the_card_of_a_known_agent_is_told_where_it_is_looked_at() -> None:
    card = KnownCard("planner", "Acme", frozenset({"b", "a"}), "1.2.0")
    given, policy = Circumstances(1, kya=card), compiled()
    assert seen(given)["kya"] == {
        "name": "planner",
        "provider": "Acme",
        "skills": ["a", "b"],
        "card_version": "1.2.0",
    }
    parts: dict[str, Any] = {"in_scope": True, "servers": policy.servers}
    assert "kya" not in members(policy.graph, given, None, **parts, kya=False)
    assert "kya" not in seen(Circumstances(1))


def test_only_what_is_looked_at_is_told() -> None:
    assert seen(FULL, frozenset())["delegation"] == {}
    assert seen(FULL, frozenset({"depth", "nobody"}))["delegation"] == {"depth": 2}
    assert persons(FULL, frozenset({"depth"})) == ()
    assert persons(FULL, frozenset({"user"})) == (Uid("User", ALICE),)
    assert persons(FULL, None) == (Uid("User", ALICE), Uid("Agent", READER))


@pytest.mark.parametrize(
    ("circumstances", "revoked"),
    [
        (acting(ALICE), False),
        (acting(BOB), True),
        (acting(ALICE, WRITER, READER), True),
        (acting(ALICE, WRITER, READER, WRITER), True),
        (acting(ALICE, READER), True),
    ],
)
def test_a_chain_is_revoked_with_any_of_its_links(
    circumstances: Circumstances, revoked: bool
) -> None:
    found = seen(circumstances, manifest=REVOKED)["delegation"]
    assert found["revoked"] is revoked


def test_a_user_is_revoked_by_its_groups_too() -> None:
    entities = [
        {"uid": {"type": "User", "id": ALICE}, "parents": [{"type": "Group", "id": "leavers"}]},
        {
            "uid": {"type": "Group", "id": "leavers"},
            "parents": [{"type": "Group", "id": "revoked"}],
        },
    ]
    assert seen(acting(ALICE), entities=entities)["delegation"]["revoked"]
    assert not seen(acting(BOB), entities=entities)["delegation"]["revoked"]


def test_the_schema_has_these_members_and_no_others() -> None:
    types = dict(re.findall(r"^type (\w+) = {$(.*?)^};$", schema_text(), re.DOTALL | re.MULTILINE))
    found = {
        name: set(re.findall(r"^  (\w+)\??:", text, re.MULTILINE)) for name, text in types.items()
    }
    assert found["Delegation"] == set(OF_A_DELEGATION)
    assert found["TokenWanted"] == set(OF_A_TOKEN)
    assert found["KnownCard"] == set(OF_A_CARD)
    assert found["Exchange"] == {*found["Circumstances"], "token"}
    assert {*found["Exchange"], "args"} == set(MEMBERS)


def test_any_delegation_is_one_that_the_schema_accepts() -> None:
    assert set(seen(ANY_DELEGATION)["delegation"]) == set(OF_A_DELEGATION)


def read(condition: str) -> Arguments:
    text = f"permit (principal, action, resource) {condition};"
    (est,) = json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"].values()
    return delegation_read(est["conditions"])


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        ("", set()),
        ("when { context.delegated }", set()),
        ("when { context has delegation }", set()),
        ("when { context has delegation && context.delegation.depth < 3 }", {"depth"}),
        ('when { context has delegation.user && context.args.a == "x" }', {"user"}),
        ("when { context.delegation has user }", {"user"}),
        ('when { context.delegation.user in Group::"g" }', {"user"}),
        ('when { context.delegation.user.getTag("x") == "y" }', {"user"}),
        ("when { context == context }", None),
        ("when { [context.delegation].isEmpty() }", None),
        ("when { (if true then context else context).delegation.depth == 1 }", None),
    ],
)
def test_what_is_looked_at_is_found(condition: str, names: set[str] | None) -> None:
    assert read(condition) == (None if names is None else frozenset(names))
