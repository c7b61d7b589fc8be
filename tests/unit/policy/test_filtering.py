"""A list shows what could be called, to whom it could, and nothing by another name."""

import math
from typing import Any

import pytest

from governd.identity import SpiffeId
from governd.policy import filtering
from governd.policy.compiled import CompiledPolicy
from governd.policy.decision import DecisionCode
from governd.policy.definitions import Kind
from governd.policy.delegated import PLAIN, Circumstances
from governd.policy.entities import Uid
from governd.policy.filtering import Listing, Visibility, filter_listing
from governd.policy.offered import Offered
from tests.policies import (
    ACME,
    ALICE,
    BETA,
    BOB,
    EXPIRES,
    PERMIT_ALL,
    READER,
    TENANTS,
    WRITER,
    acting,
    ask,
    compiled,
    server_file,
)

pytestmark = pytest.mark.req("gi-5")

NAMES = ("open", "read", "reset", "bare")
GRANTS = f"""
[[grant]]
agents = ["{READER}"]
capabilities = ["git:read"]
[[grant]]
agents = ["{WRITER}"]
capabilities = ["git:read", "git:write"]
destructive = ["git/reset"]
"""
ON_OPEN = 'principal, action == Action::"tools/call:git/open", resource'
OVERFLOW = "1 + 9223372036854775807 > 0"


def of(
    subject: str,
    *names: str,
    kind: Kind = Kind.TOOL,
    server: str = "git",
    circumstances: Circumstances = PLAIN,
    bootstrap: bool = False,
) -> Listing:
    return Listing(SpiffeId.parse(subject), server, kind, names, circumstances, bootstrap)


def shown(
    policy: CompiledPolicy,
    *names: str,
    subject: str = WRITER,
    age: float = 0.0,
    **parts: Any,
) -> list[str]:
    """The names that are left, in their order."""
    listing = of(subject, *(names or NAMES), **parts)
    return [
        listing.names[index] for index in filter_listing(policy, listing, age_seconds=age).shown
    ]


def about_open(effect: str, condition: str, marks: str = "") -> str:
    return f"{marks} {effect} ({ON_OPEN}) when {{ {condition} }};"


# --- what is shown -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subject", "names"),
    [
        (WRITER, ["read", "reset"]),
        (READER, ["read"]),
        ("spiffe://example.org/agent/nobody", []),
    ],
)
def test_a_list_shows_what_the_subject_may_call(subject: str, names: list[str]) -> None:
    assert shown(compiled(grants=GRANTS), subject=subject) == names


def test_order_and_repetition_of_a_list_are_kept() -> None:
    policy = compiled(PERMIT_ALL, grants=GRANTS)
    assert shown(policy, "reset", "nobody", "open", "reset", "bare", "read") == [
        *("reset", "open", "reset", "read"),
    ]


def test_an_empty_page_stays_one() -> None:
    seen = filter_listing(compiled(PERMIT_ALL), of(WRITER), age_seconds=0)
    assert seen == Visibility((), -math.inf, math.inf)


def test_without_policies_that_permit_nothing_is_shown() -> None:
    assert shown(compiled()) == []


def test_what_policies_look_up_elsewhere_counts() -> None:
    condition = 'Tool::"git/read".read_only && Group::"a" in Group::"b"'
    groups = [
        {"uid": {"type": "Group", "id": "a"}, "parents": [{"type": "Group", "id": "b"}]},
        {"uid": {"type": "Group", "id": "b"}, "parents": []},
    ]
    assert shown(compiled(about_open("permit", condition), entities=groups), "open") == ["open"]
    assert shown(compiled(about_open("permit", condition)), "open") == []


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (Kind.RESOURCE, ("file:///srv/a", "file:///etc/a")),
        (Kind.PROMPT, ("welcome", "farewell")),
    ],
)
def test_resources_and_prompts_are_shown_by_what_may_be_read_and_used(
    kind: Kind, names: tuple[str, str]
) -> None:
    policy = compiled(
        'permit (principal, action == Action::"resources/read", resource)'
        ' when { resource.uri like "file:///srv/*" };'
        'permit (principal, action == Action::"prompts/get", resource)'
        ' when { resource.name == "welcome" };'
    )
    assert shown(policy, *names, kind=kind) == [names[0]]
    assert shown(policy, *names, kind=Kind.TOOL) == []


# --- whatever the arguments ----------------------------------------------------------------

OPEN_TO = {
    "some arguments": ("permit", 'context.args has text && context.args.text like "a*"', True),
    "what a schema does not declare": ("permit", "context.args_undeclared", True),
    "all of them but some": ("forbid", 'context.args has text && context.args.text == "a"', True),
    "none, whatever they are": ("forbid", "context.args has text || true", False),
    "none, put the other way": ("permit", "!(context.args has text || true)", False),
    "some, put the other way": ("forbid", "!(context.args has text && false)", False),
    "what is told late": ("permit", 'context.args has text && principal in Group::"g"', False),
    "either of two": ("permit", "context.args has text || false", True),
    "nobody": ("permit", 'principal in Group::"g" && context.args has text', False),
    "another": ("permit", f'principal == Agent::"{READER}" && context.args has text', False),
    "whoever is not forbidden it": ("forbid", f'principal == Agent::"{WRITER}"', False),
    "whoever it cannot fail for": ("permit", f"{OVERFLOW} || context.args has text", False),
    "what may fail": ("forbid", f"context.args has text && {OVERFLOW}", True),
    "what a user delegates": ("permit", "context.delegated", False),
}


@pytest.mark.parametrize(("effect", "condition", "is_shown"), OPEN_TO.values(), ids=OPEN_TO.keys())
def test_a_tool_is_hidden_only_if_every_call_is_denied(
    effect: str, condition: str, is_shown: bool
) -> None:
    text = about_open(effect, condition)
    if effect == "forbid":
        text += PERMIT_ALL
    assert shown(compiled(text), "open") == ["open"] * is_shown


def test_a_policy_that_fails_hides_as_it_denies() -> None:
    """Cedar skips a policy that fails."""
    for effect in ("permit", "forbid"):
        assert shown(compiled(PERMIT_ALL + about_open(effect, OVERFLOW)), "open") == []
        undecided = about_open(effect, f"{OVERFLOW} || context.args has text")
        assert shown(compiled(PERMIT_ALL + undecided), "open") == []


def test_what_a_permit_and_a_forbid_leave_open_together_is_shown() -> None:
    """The one fires with the other, but nobody works that out."""
    text = about_open("permit", "context.args has text") + about_open(
        "forbid", "context.args has text"
    )
    assert shown(compiled(text), "open") == ["open"]


def test_a_shadow_policy_neither_hides_nor_shows() -> None:
    shadow = '@mode("shadow")'
    assert shown(compiled(about_open("permit", "true", shadow)), "open") == []
    assert shown(compiled(PERMIT_ALL + about_open("forbid", "true", shadow)), "open") == ["open"]


# --- names ---------------------------------------------------------------------------------

TRICKS = {
    "in capitals": "git_Commit",
    "with a space behind": "git_commit ",
    "with a space before": " git_commit",
    "with a zero-width space": "git_commit\u200b",
    "with a joiner": "git\u200d_commit",
    "with a direction mark": "\u202egit_commit",
    "with a combining mark": "git_commit\u0301",
    "with a Cyrillic letter": "git_с\u043emmit",
    "in full-width letters": "ｇit_commit",
    "by its prefix": "git_commi",
    "and more": "git_commit2",
    "with its server": "git/git_commit",
    "by the folder above": "../git_commit",
    "by the folder above and back": "../git/git_commit",
    "by the same folder": "./git_commit",
    "with an extra slash": "/git_commit",
    "with a slash behind": "git_commit/",
    "encoded": "git%5Fcommit",
    "with a line end": "git_commit\n",
    "with a null": "git_commit\0",
    "a line end": "\n",
    "as an action": "tools/call:git/git_commit",
    "of nothing": "",
    "too long": "git_commit" * 300,
    "a pattern": "*",
}


@pytest.fixture(scope="module")
def commit() -> CompiledPolicy:
    tools = [{"name": "git_commit", "annotations": {"readOnlyHint": True}}]
    return compiled(PERMIT_ALL, extra={"tools/git.json": server_file(tools=tools)})


@pytest.mark.parametrize("name", TRICKS.values(), ids=TRICKS.keys())
def test_a_name_that_is_not_exactly_a_declared_one_is_hidden(
    commit: CompiledPolicy, name: str
) -> None:
    assert shown(commit, "git_commit", name, "git_commit") == ["git_commit"] * 2


@pytest.mark.parametrize(
    "uri",
    [
        *("FILE:///a", "file:///a/../b", "file:///a//b", "file:///%61", "http://EXAMPLE.org/"),
        *("file:///a\\b", "file:///a\n", "\n", "", "x" * 2048),
    ],
)
def test_a_uri_in_another_spelling_than_its_own_is_hidden(uri: str) -> None:
    names = ("file:///a", uri)
    assert shown(compiled(PERMIT_ALL), *names, kind=Kind.RESOURCE) == ["file:///a"]


@pytest.mark.parametrize("kind", list(Kind))
def test_of_a_server_that_nobody_declares_everything_is_hidden(kind: Kind) -> None:
    policy = compiled(PERMIT_ALL, manifest=TENANTS)
    for subject in (WRITER, ACME):
        for server in ("gti", "GIT", "git/git", ""):
            assert shown(policy, "open", "x", kind=kind, server=server, subject=subject) == []


# --- quarantine and registration -----------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "entity_type", "name"),
    [
        (Kind.TOOL, "Tool", "open"),
        (Kind.RESOURCE, "Resource", "file:///a"),
        (Kind.RESOURCE_TEMPLATE, "ResourceTemplate", "file:///{x}"),
        (Kind.PROMPT, "Prompt", "hello"),
    ],
)
def test_what_is_quarantined_is_hidden(kind: Kind, entity_type: str, name: str) -> None:
    policy = compiled(PERMIT_ALL)
    assert shown(policy, name, kind=kind) == [name]
    quarantined = frozenset({Uid(entity_type, f"git/{name}")})
    assert shown(policy.offering(Offered(quarantined=quarantined)), name, kind=kind) == []
    assert shown(policy, name, kind=kind) == [name], "each has a cache of its own"


def test_a_tool_to_which_a_registration_adds_is_shown_by_what_it_requires_now() -> None:
    policy = compiled(grants=GRANTS)
    tool = policy.tool("git/read")
    uid = Uid("Tool", "git/read")
    record = policy.graph.record(uid)
    assert tool
    assert record
    more = {**record, "attrs": {**record["attrs"], "requires": ["git:read", "git:write"]}}
    stricter = policy.offering(Offered(tools={tool.id: tool}, records={uid: more}))
    assert shown(stricter, subject=WRITER) == ["read", "reset"]
    assert shown(stricter, subject=READER) == []


# --- who looks -----------------------------------------------------------------------------


def test_a_list_for_one_subject_is_never_served_to_another() -> None:
    policy = compiled(grants=GRANTS)
    for _ in range(3):
        assert shown(policy, subject=WRITER) == ["read", "reset"]
        assert shown(policy, subject=READER) == ["read"]
        assert shown(policy, subject=WRITER, bootstrap=True) == ["read", "reset"]
        assert shown(policy, subject=BETA) == []


def test_what_a_user_may_delegate_is_shown_before_but_not_at_the_call() -> None:
    grants = GRANTS.replace('destructive = ["git/reset"]\n', "")
    policy = compiled(grants=grants)
    for _ in range(2):
        assert shown(policy) == ["read"]
        assert shown(policy, bootstrap=True) == ["read", "reset"]
        assert shown(policy, circumstances=acting()) == ["read", "reset"]
    assert not ask(policy, resource="tool:git/reset").allowed


USERS = [
    {"uid": {"type": "User", "id": ALICE}, "parents": [{"type": "Group", "id": "editors"}]},
    {"uid": {"type": "Group", "id": "editors"}},
]
EDITORS = 'context has delegation && context.delegation.user in Group::"editors"'


def test_a_list_for_one_user_is_never_served_to_another() -> None:
    policy = compiled(about_open("permit", EDITORS), grants=GRANTS, entities=USERS)
    for _ in range(3):
        assert shown(policy, circumstances=acting(ALICE)) == ["open", "read", "reset"]
        assert shown(policy, circumstances=acting(BOB)) == ["read", "reset"]
        assert shown(policy) == ["read", "reset"]
        assert shown(policy, bootstrap=True) == ["open", "read", "reset"]
        assert shown(policy, circumstances=acting(BOB), bootstrap=True) == [
            *("open", "read", "reset")
        ]


def test_a_list_for_one_chain_level_or_token_is_never_served_to_another() -> None:
    deep = "context has delegation && context.delegation.depth > 1"
    known = "context.kya_level >= 2"
    late = 'context has delegation && context.delegation.expires > datetime("2026-06-01")'
    for condition, circumstances in (
        (deep, acting(ALICE, WRITER, READER)),
        (known, acting(ALICE, own_level=2)),
        (late, acting(ALICE, expires=EXPIRES + 365 * 86_400)),
    ):
        policy = compiled(about_open("permit", condition))
        for _ in range(2):
            assert shown(policy, "open", circumstances=circumstances) == ["open"]
            assert shown(policy, "open", circumstances=acting(ALICE)) == []


def test_a_list_shows_what_the_token_is_for() -> None:
    policy = compiled(PERMIT_ALL, grants=GRANTS)
    token = acting(
        ALICE, scopes=["tools:call:git/read", "tools:call:git/nobody"], evidence=["acting_as"]
    )
    assert shown(policy) == ["open", "read", "reset"]
    assert shown(policy, circumstances=token) == ["read"]
    assert shown(policy, "file:///a", kind=Kind.RESOURCE, circumstances=token) == []
    assert shown(policy, "file:///{x}", kind=Kind.RESOURCE_TEMPLATE, circumstances=token) == []
    wider = acting(ALICE, scopes=["resources:read:git/file:///a"], evidence=["acting_as"])
    assert shown(policy, "file:///{x}", kind=Kind.RESOURCE_TEMPLATE, circumstances=wider) == [
        "file:///{x}"
    ]


def test_a_policy_about_moments_and_arguments_hides_nothing_that_it_may_permit() -> None:
    both = 'context has delegation && context.delegation.expires > datetime("2025-01-01")'
    policy = compiled(about_open("permit", f"{both} && context.args has text"))
    assert shown(policy, "open", circumstances=acting(ALICE)) == ["open"]
    assert shown(policy, "open") == []


def test_a_forbid_of_what_is_delegated_leaves_it_shown() -> None:
    policy = compiled(
        PERMIT_ALL + "forbid (principal, action, resource) when { context.delegated };"
    )
    assert shown(policy, "open", bootstrap=True) == ["open"]


@pytest.mark.parametrize("manifest", [TENANTS, TENANTS.replace('servers = ["git"]\n', "")])
def test_a_tenants_permits_show_its_own_callers_what_it_may_use(manifest: str) -> None:
    mine = {"tenants/acme/policies/x.cedar": PERMIT_ALL}
    policy = compiled(manifest=manifest, extra=mine)
    assert shown(policy, "open", subject=ACME) == ["open"] * ("servers" in manifest)
    assert shown(policy, "open", subject=BETA) == []
    assert shown(policy, "open", subject=WRITER) == []


# --- age -----------------------------------------------------------------------------------

FRESH = '@max_staleness("30s")'
FRESHER = '@max_staleness("10s")'


@pytest.mark.parametrize(
    ("age", "names", "above", "upto"),
    [
        (0.0, ["open", "read", "reset"], -math.inf, 10.0),
        (10.0, ["open", "read", "reset"], -math.inf, 10.0),
        (10.1, ["open", "read"], 10.0, 30.0),
        (30.0, ["open", "read"], 10.0, 30.0),
        (30.1, ["read"], 30.0, math.inf),
    ],
)
def test_a_stale_permit_shows_nothing(
    age: float, names: list[str], above: float, upto: float
) -> None:
    reset = 'principal, action == Action::"tools/call:git/reset", resource'
    grants = f'[[grant]]\nagents = ["{WRITER}"]\ncapabilities = ["git:read"]\n'
    grants += 'destructive = ["git/reset"]\n'
    policy = compiled(
        about_open("permit", 'context.args has text && context.args.text == "a"', FRESH)
        + f"{FRESHER} permit ({reset});",
        grants=grants,
    )
    for _ in range(2):
        listing = of(WRITER, "open", "read", "reset")
        seen = filter_listing(policy, listing, age_seconds=age)
        assert [listing.names[index] for index in seen.shown] == names
        assert (seen.above, seen.upto) == (above, upto)


def test_the_freshest_of_several_permits_counts() -> None:
    text = about_open("permit", "true", FRESHER) + about_open(
        "permit", "context.args has text", FRESH
    )
    policy = compiled(text)
    assert shown(policy, "open", age=30) == ["open"]
    assert shown(policy, "open", age=31) == []
    assert shown(compiled(text + PERMIT_ALL), "open", age=1e9) == ["open"]


# --- what a denial says --------------------------------------------------------------------


def test_a_hidden_tool_is_denied_like_one_that_does_not_exist() -> None:
    policy = compiled(grants=GRANTS)
    hidden = ask(policy, READER, resource="tool:git/reset")
    unknown = ask(policy, READER, resource="tool:git/nobody")
    assert (hidden.code, unknown.code) == (DecisionCode.FORBIDDEN, DecisionCode.UNKNOWN_RESOURCE)
    assert (hidden.hidden, unknown.hidden) == (True, True)
    assert (hidden.allowed, unknown.allowed) == (False, False)


# --- bounds --------------------------------------------------------------------------------


def test_what_is_too_long_to_be_remembered_is_answered_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(filtering, "MAX_CACHED_CHARS", 100)
    policy = compiled(grants=GRANTS)
    assert shown(policy) == shown(policy) == ["read", "reset"]
    assert (len(policy.listings.pages), len(policy.listings.answers)) == (0, 0)


def test_lists_are_forgotten_with_their_policy_and_with_what_was_registered() -> None:
    policy = compiled(grants=GRANTS)
    assert shown(policy) == ["read", "reset"]
    assert (len(policy.listings.pages), len(policy.listings.answers)) == (1, 1)
    assert len(policy.offering(Offered()).listings.answers) == 0
    for _ in policy.forget():
        pass
    assert (len(policy.listings.pages), len(policy.listings.answers)) == (0, 0)
    assert shown(policy) == ["read", "reset"], "it still answers"
