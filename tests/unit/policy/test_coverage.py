"""An acting-as token is for what it names, and for nothing else."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governd.identity import SpiffeId
from governd.policy.coverage import covers, covers_some, granted, words
from governd.policy.delegated import PLAIN, Circumstances, DelegatedTools, Delegation
from governd.policy.entities import Uid
from tests.policies import ALICE, SERVER, acting, compiled

pytestmark = pytest.mark.req("gi-3", part=True)

OPEN, READ = Uid("Tool", "git/open"), Uid("Tool", "git/read")
FILE, PROMPT = Uid("Resource", "git/file:///a"), Uid("Prompt", "git/hello")
OPEN_ONLY = DelegatedTools(frozenset({"call"}), frozenset({SERVER}), frozenset({"open"}))


def token(*scopes: str, details: tuple[DelegatedTools, ...] = ()) -> Circumstances:
    return acting(ALICE, scopes=scopes, details=details, evidence=["acting_as"])


def covered(circumstances: Circumstances, uid: Uid) -> bool:
    return covers(circumstances, uid, SpiffeId.parse(SERVER))


@pytest.mark.parametrize(
    ("scope", "uid"),
    [
        ("tools:call:git/open", OPEN),
        ("tools:call:git/*", OPEN),
        ("resources:read:git/file:///a", FILE),
        ("resources:read:git/*", FILE),
        ("prompts:get:git/hello", PROMPT),
    ],
)
def test_a_scope_covers_what_it_names(scope: str, uid: Uid) -> None:
    assert covered(token("x", scope), uid)


@pytest.mark.parametrize(
    "scope",
    [
        *("tools:call:git/read", "tools:call:git/ope", "tools:call:git/open/", "tools:call:open"),
        *("tools:call:Git/open", "tools:call:*", "tools:call:*/open", "*", "tools:call:git/o*"),
        *("tools:call", "tools/call:git/open", "resources:read:git/open", "resources:read:git/*"),
        *("tools:call:gitlab/*", "openid"),
    ],
)
def test_a_scope_covers_nothing_else(scope: str) -> None:
    assert not covered(token(scope), OPEN)


def test_a_token_without_scopes_and_details_is_for_nothing() -> None:
    for uid in (OPEN, FILE, PROMPT):
        assert not covered(token(), uid)
    assert not covers_some(token(), "Resource", "git")


def test_who_acts_for_itself_or_shows_the_users_own_token_needs_no_scope() -> None:
    for circumstances in (PLAIN, acting(ALICE)):
        for uid in (OPEN, FILE, PROMPT):
            assert covered(circumstances, uid)
        assert covers_some(circumstances, "Resource", "git")


def test_the_scopes_of_an_access_token_are_for_policies_to_judge() -> None:
    assert covered(acting(ALICE, scopes=["openid"], evidence=["access_token"]), OPEN)


@pytest.mark.parametrize(
    "uid",
    [Uid("McpServer", "git"), Uid("Agent", "spiffe://a/b"), Uid("ExternalService", "git")],
)
def test_lists_agents_and_services_need_no_scope(uid: Uid) -> None:
    assert covers(token("openid", details=(OPEN_ONLY,)), uid, None)


def test_details_cover_a_tool_where_action_server_and_name_are_in_one_of_them() -> None:
    assert covered(token(details=(OPEN_ONLY,)), OPEN)
    assert not covered(token(details=(OPEN_ONLY,)), READ)
    for other in ("actions", "locations", "tools"):
        detail = OPEN_ONLY._replace(**{other: frozenset({"other"})})
        assert not covered(token(details=(detail,)), OPEN)
    halves = (
        OPEN_ONLY._replace(locations=frozenset({"spiffe://example.org/mcp/other"})),
        OPEN_ONLY._replace(tools=frozenset({"read"})),
    )
    assert not covered(token(details=halves), OPEN)


def test_either_a_scope_or_a_detail_covers_a_tool() -> None:
    assert covered(token("x", details=(OPEN_ONLY,)), OPEN)
    assert covered(token("tools:call:git/read", details=(OPEN_ONLY,)), READ)
    assert not covered(token("tools:call:git/open", details=(OPEN_ONLY,)), READ)


def test_details_are_about_tools_only() -> None:
    assert not covered(token(details=(OPEN_ONLY,)), FILE)
    assert covered(token("resources:read:git/*", details=(OPEN_ONLY,)), FILE)


@pytest.mark.parametrize(
    ("scope", "some"),
    [
        ("resources:read:git/file:///z", True),
        ("resources:read:git/*", True),
        ("resources:read:other/*", False),
        ("tools:call:git/*", False),
    ],
)
def test_a_template_may_be_covered_where_anything_of_its_server_is(scope: str, some: bool) -> None:
    assert covers_some(token(scope), "Resource", "git") is some


WORDS = ("tools:call:git/open", "tools:call:git/*", "resources:read:git/file:///a", "x", "y")


GIVEN = st.sets(st.sampled_from([*WORDS, OPEN_ONLY, OPEN_ONLY._replace(tools=frozenset("r"))]))


@given(GIVEN, GIVEN, st.sampled_from([OPEN, READ, FILE, PROMPT]))
def test_who_passes_less_on_never_passes_more_on(
    some: set[str | DelegatedTools], more: set[str | DelegatedTools], uid: Uid
) -> None:
    wide, narrow = (
        token(
            *(one for one in given if isinstance(one, str)),
            details=tuple(one for one in given if isinstance(one, DelegatedTools)),
        )
        for given in (some | more, some)
    )
    assert covered(wide, uid) or not covered(narrow, uid)


# --- what policies see of details ------------------------------------------------------------


def given_by(circumstances: Circumstances) -> Delegation:
    assert circumstances.delegation
    return circumstances.delegation


def told(*details: DelegatedTools, scopes: tuple[str, ...] = ()) -> set[str]:
    return set(words(given_by(token(*scopes, details=details)), compiled().servers))


def test_a_detail_is_a_word_for_each_tool_of_a_declared_server() -> None:
    detail = OPEN_ONLY._replace(tools=frozenset({"open", "reset"}))
    assert told(detail, scopes=("x",)) == {"x", "tools:call:git/open", "tools:call:git/reset"}
    assert told() == set()


@pytest.mark.parametrize(
    ("change", "beside"),
    [
        ({"actions": frozenset({"call", "read"})}, {"tools:call:git/open"}),
        ({"locations": frozenset({SERVER, "spiffe://example.org/mcp/x"})}, {"tools:call:git/open"}),
        ({"actions": frozenset({"read"})}, set()),
        ({"locations": frozenset({"None"})}, set()),
        ({"locations": frozenset({"git"})}, set()),
    ],
)
def test_what_is_no_tool_of_a_declared_server_is_a_word_that_no_scope_is(
    change: dict[str, frozenset[str]], beside: set[str]
) -> None:
    detail = OPEN_ONLY._replace(**change)
    (word,) = told(detail) - beside
    members = {name: sorted(values) for name, values in detail._asdict().items()}
    assert json.loads(word) == {**members, "type": "mcp_tool"}
    assert told(detail) == {word, *beside}


NAMES = st.frozensets(st.sampled_from(["call", "read", SERVER, "git", "open", "a/b"]), max_size=3)
DETAILS = st.builds(DelegatedTools, NAMES, NAMES, NAMES)


@given(DETAILS, st.sampled_from([OPEN, READ, Uid("Tool", "git/a/b")]))
def test_what_a_detail_covers_is_among_the_words_that_policies_see(
    detail: DelegatedTools, uid: Uid
) -> None:
    if covered(token(details=(detail,)), uid):
        assert f"tools:call:{uid.id}" in told(detail)


@given(DETAILS, DETAILS)
def test_no_two_details_of_anything_else_are_one_word(
    one: DelegatedTools, other: DelegatedTools
) -> None:
    ones, others = (
        {word for word in told(detail) if word.startswith("{")} for detail in (one, other)
    )
    assert one == other or not ones & others


# --- what a user's access token grants -------------------------------------------------------


def access(*scopes: str, evidence: tuple[str, ...] = ("access_token",), **parts: str) -> Delegation:
    more: dict[str, Any] = {name: frozenset(text.split()) for name, text in parts.items()}
    return given_by(acting(ALICE, scopes=scopes, evidence=evidence, **more))


def test_an_access_token_grants_its_scopes_and_other_evidence_none() -> None:
    assert granted(access("a", "tools:call:git/*")) == {"a", "tools:call:git/*"}
    assert granted(access("a", evidence=("id_token",))) == set()
    assert granted(access("a", evidence=("id_token", "acting_as"))) == set()


def test_of_a_token_that_began_with_one_only_the_issuers_words_are_known_to_be_granted() -> None:
    scopes = ("a", "tools:call:git/*", "resources:read:git/*", "token:exchange:crm/*")
    assert granted(access(*scopes, evidence=("access_token", "acting_as"))) == {"a"}


def test_what_is_to_be_minted_grants_what_the_access_token_did() -> None:
    assert granted(access("a", "b", granted="b c")) == {"b", "c"}


@pytest.mark.parametrize(
    ("scopes", "within"),
    [
        ((), True),
        (("read",), True),
        (("read", "tools:call:git/open", "prompts:get:git/*"), True),
        (("read", "write"), False),
        (("Tools:call:git/open",), False),
    ],
)
def test_no_word_of_an_issuer_is_minted_that_the_users_token_does_not_grant(
    scopes: tuple[str, ...], *, within: bool
) -> None:
    minted = Circumstances(delegation=access(*scopes, granted="read openid"))
    assert covers(minted, Uid("McpServer", "git"), None) is within
    own = Circumstances(delegation=access(*scopes, evidence=("id_token",), granted=""))
    assert covers(own, Uid("McpServer", "git"), None), "no access token, no words of its issuer"
