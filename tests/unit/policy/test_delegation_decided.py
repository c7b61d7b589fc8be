"""Who acts for whom decides where a policy says so, and never widens what is permitted."""

import pytest

from governd.policy.asked import MAX_CACHED_CHARS
from governd.policy.compiled import CompiledPolicy
from governd.policy.decision import Decision, DecisionCode
from governd.policy.delegated import PLAIN, Circumstances, DelegatedTools
from governd.policy.inquiry import translate
from tests.policies import (
    ALICE,
    BOB,
    EXPIRES,
    OPEN,
    PERMIT_ALL,
    READER,
    SERVER,
    WRITER,
    acting,
    ask,
    compiled,
    question,
)

pytestmark = pytest.mark.req("gi-3", part=True)

CALL_OPEN = 'principal, action == Action::"tools/call:git/open", resource'
RESET = "tool:git/reset"
MAY_WRITE = f'[[grant]]\nagents = ["{WRITER}"]\ncapabilities = ["git:write"]\n'
BY_NAME = f'{MAY_WRITE}destructive = ["git/reset"]\n'
PEOPLE = [
    {
        "uid": {"type": "User", "id": ALICE},
        "parents": [{"type": "Group", "id": "editors"}],
        "tags": {"floor": "3"},
    },
    {"uid": {"type": "Group", "id": "editors"}, "parents": [{"type": "Group", "id": "staff"}]},
    {"uid": {"type": "Group", "id": "staff"}},
    {"uid": {"type": "Agent", "id": READER}, "parents": [{"type": "Group", "id": "planners"}]},
    {"uid": {"type": "Group", "id": "planners"}},
]


def permits(condition: str) -> CompiledPolicy:
    text = f'@id("it") permit ({CALL_OPEN}) when {{ context has delegation && {condition} }};'
    return compiled(text, entities=PEOPLE)


ALL_OF_GIT = ("tools:call:git/*",)


def token(*scopes: str, binding: int = 3) -> Circumstances:
    return acting(ALICE, scopes=scopes, binding=binding, evidence=["acting_as"])


def asked(policy: CompiledPolicy, circumstances: Circumstances, resource: str = OPEN) -> Decision:
    return ask(policy, WRITER, resource=resource, circumstances=circumstances)


TOLD = {
    "the user": (f'context.delegation.user == User::"{ALICE}"', acting(ALICE), acting(BOB)),
    "a group of users": (
        'context.delegation.user in Group::"staff"',
        acting(ALICE),
        acting(BOB),
    ),
    "a user's tag": (
        'context.delegation.user.hasTag("floor") && context.delegation.user.getTag("floor") == "3"',
        acting(ALICE),
        acting(BOB),
    ),
    "the issuer": (
        'context.delegation.user_issuer == "https://idp.example"',
        acting(BOB),
        acting("https://other.example#bob"),
    ),
    "the subject": ('context.delegation.user_subject == "bob"', acting(BOB), acting(ALICE)),
    "the depth": ("context.delegation.depth <= 1", acting(ALICE), acting(ALICE, WRITER, READER)),
    "an actor": (
        f'context.delegation.actors.contains(Agent::"{READER}")',
        acting(ALICE, WRITER, READER),
        acting(ALICE),
    ),
    "where it began": (
        'context.delegation.origin in Group::"planners"',
        acting(ALICE, WRITER, READER),
        acting(ALICE),
    ),
    "the level of the chain": (
        "context.delegation.kya_level >= 2",
        acting(ALICE, kya_level=2),
        acting(ALICE, kya_level=1, own_level=3),
    ),
    "the level of who asks": (
        "context.kya_level >= 2",
        acting(ALICE, own_level=2),
        acting(ALICE, own_level=1, kya_level=3),
    ),
    "a scope": (
        'context.delegation.scopes.contains("repo:read")',
        acting(ALICE, scopes=["repo:read"]),
        acting(ALICE, scopes=["repo"]),
    ),
    "the binding": (
        "context.delegation.binding >= 2",
        token(*ALL_OF_GIT, binding=2),
        token(*ALL_OF_GIT, binding=1),
    ),
    "the evidence": (
        'context.delegation.evidence.contains("access_token")',
        acting(ALICE, evidence=["access_token"]),
        acting(ALICE),
    ),
    "the end": (
        'context.delegation.expires <= datetime("2026-01-01T12:00:00Z")',
        acting(ALICE, expires=EXPIRES),
        acting(ALICE, expires=EXPIRES + 1),
    ),
    "the time of day": (
        'context.delegation.expires.toTime() < duration("18h")',
        acting(ALICE, expires=EXPIRES),
        acting(ALICE, expires=EXPIRES + 7 * 3600),
    ),
}


@pytest.mark.parametrize(("condition", "good", "bad"), TOLD.values(), ids=TOLD.keys())
def test_a_policy_is_told(condition: str, good: Circumstances, bad: Circumstances) -> None:
    policy = permits(condition)
    for _ in range(2):
        assert asked(policy, good).reasons == ("it",)
        assert asked(policy, bad).code is DecisionCode.NOT_PERMITTED
        assert asked(policy, PLAIN).code is DecisionCode.NOT_PERMITTED


def test_a_level_counts_without_a_user_too() -> None:
    policy = compiled(f'@id("it") permit ({CALL_OPEN}) when {{ context.kya_level >= 2 }};')
    assert asked(policy, Circumstances(2)).allowed
    assert not asked(policy, Circumstances(1)).allowed
    assert not asked(policy, PLAIN).allowed


def test_a_shadow_policy_is_told_the_same() -> None:
    policy = compiled(
        PERMIT_ALL + f'@id("it") @mode("shadow") forbid ({CALL_OPEN})'
        f' when {{ context has delegation && context.delegation.user == User::"{ALICE}" }};'
    )
    assert asked(policy, acting(ALICE)).shadow
    assert not asked(policy, acting(BOB)).shadow


# --- destructive tools ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("circumstances", "reasons"),
    [
        (PLAIN, ("base/destructive-needs-grant",)),
        (acting(ALICE), ("base/capabilities-cover",)),
        (acting(ALICE, evidence=["access_token"]), ("base/capabilities-cover",)),
        (token(*ALL_OF_GIT), ("base/capabilities-cover",)),
        (token(*ALL_OF_GIT, binding=2), ("base/destructive-needs-binding",)),
        (token(*ALL_OF_GIT, binding=0), ("base/destructive-needs-binding",)),
    ],
)
def test_a_destructive_call_for_a_user_rests_on_a_token_tied_to_the_body(
    circumstances: Circumstances, reasons: tuple[str, ...]
) -> None:
    assert asked(compiled(grants=MAY_WRITE), circumstances, RESET).reasons == reasons
    assert asked(compiled(grants=BY_NAME), circumstances, RESET).allowed


def test_a_delegation_gives_no_capability() -> None:
    assert asked(compiled(), acting(ALICE), RESET).code is DecisionCode.NOT_PERMITTED


def test_what_is_harmless_needs_no_binding() -> None:
    assert asked(compiled(PERMIT_ALL), token(*ALL_OF_GIT, binding=0)).allowed


# --- what a token is for -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scopes", "allowed"),
    [((), False), (("tools:call:git/open",), True), (("tools:call:git/read", "x"), False)],
)
def test_a_token_is_for_nothing_that_its_scopes_leave_out(
    scopes: tuple[str, ...], allowed: bool
) -> None:
    decision = asked(compiled(PERMIT_ALL), token(*scopes))
    assert decision.allowed is allowed
    assert decision.reasons == (("all",) if allowed else ("base/delegation-in-scope",))
    assert decision.hidden is not allowed, "a list for that token does not have it"


def test_scopes_of_an_access_token_do_not_limit_by_themselves() -> None:
    given = acting(ALICE, scopes=["openid"], evidence=["access_token"])
    assert asked(compiled(PERMIT_ALL), given).allowed


# --- revocation ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "revoked", [f'users = ["{ALICE}"]', f'subjects = ["{READER}"]'], ids=["user", "actor"]
)
def test_nobody_acts_for_the_revoked_or_at_their_word(revoked: str) -> None:
    policy = compiled(PERMIT_ALL, manifest=f"[revoked]\n{revoked}\n")
    chain = acting(ALICE, WRITER, READER)
    for resource, action in ((OPEN, "tools/call"), (f"agent:{SERVER}", "agent/invoke")):
        decision = ask(policy, WRITER, action, resource, circumstances=chain)
        assert decision.reasons == ("base/revoked",)
        assert ask(policy, WRITER, action, resource, circumstances=acting(BOB)).allowed


# --- minting -------------------------------------------------------------------------------


def mint(policy: CompiledPolicy, circumstances: Circumstances, to: str = "agent") -> Decision:
    audience = f"agent:{SERVER}" if to == "agent" else "mcp_server:git"
    return ask(policy, WRITER, "delegation/mint", audience, circumstances=circumstances, lease=5)


def test_nothing_is_minted_without_a_permit() -> None:
    for audience in ("agent", "server"):
        decision = mint(compiled(grants=BY_NAME), acting(ALICE), audience)
        assert decision.code is DecisionCode.NOT_PERMITTED


def test_nothing_is_minted_without_a_user() -> None:
    assert mint(compiled(PERMIT_ALL), PLAIN).reasons == ("base/mint-needs-user",)


def test_a_mint_is_permitted_by_audience_and_depth_and_never_leased() -> None:
    text = (
        '@id("it") permit (principal, action == Action::"delegation/mint",'
        ' resource == McpServer::"git")'
        " when { context has delegation && context.delegation.depth < 2 };"
    )
    policy = compiled(text)
    granted = mint(policy, acting(ALICE), "server")
    assert (granted.reasons, granted.lease_seconds) == (("it",), 0)
    assert not mint(policy, acting(ALICE, WRITER, READER), "server").allowed
    assert not mint(policy, acting(ALICE), "agent").allowed


EXACTLY = '["tools:call:git/open"].containsAll(context.delegation.scopes)'
OPENING = DelegatedTools(frozenset({"call"}), frozenset({SERVER}), frozenset({"open"}))


@pytest.mark.parametrize(
    ("detail", "allowed"),
    [
        (OPENING, True),
        (OPENING._replace(tools=frozenset({"open", "reset"})), False),
        (OPENING._replace(locations=frozenset({"None"})), False),
        (OPENING._replace(actions=frozenset({"read"})), False),
    ],
)
def test_a_policy_that_limits_the_scopes_of_a_mint_limits_its_details(
    detail: DelegatedTools, *, allowed: bool
) -> None:
    text = (
        '@id("it") permit (principal, action == Action::"delegation/mint", resource)'
        f" when {{ context has delegation && {EXACTLY} }};"
    )
    for evidence in ("id_token", "acting_as"):
        given = acting(ALICE, details=(detail,), evidence=[evidence])
        assert mint(compiled(text), given).allowed is allowed


def test_a_policy_can_compare_what_is_minted_with_what_the_user_granted() -> None:
    text = (
        f'{PERMIT_ALL}@id("it") forbid (principal, action == Action::"delegation/mint", resource)'
        " unless { context has delegation &&"
        " context.delegation.granted.containsAll(context.delegation.scopes) };"
    )
    policy = compiled(text)
    for word, reason in (("tools:call:git/open", "all"), ("tools:call:git/reset", "it")):
        given = acting(
            ALICE,
            scopes=[word],
            granted=frozenset({"tools:call:git/open"}),
            evidence=["access_token"],
        )
        assert mint(policy, given).reasons == (reason,)


def test_no_policy_mints_words_of_an_issuer_that_the_users_access_token_lacks() -> None:
    given = acting(
        ALICE, scopes=["git.write"], granted=frozenset({"git.read"}), evidence=["access_token"]
    )
    assert mint(compiled(PERMIT_ALL), given).reasons == ("base/delegation-in-scope",)


def test_two_that_differ_in_what_was_granted_are_two_questions_to_who_asks_that() -> None:
    policy = permits('context.delegation.granted.contains("a")')
    for _ in range(2):
        for word in ("a", "b"):
            given = acting(ALICE, granted=frozenset(word), evidence=["access_token"])
            assert asked(policy, given).allowed is (word == "a")


# --- extensions ----------------------------------------------------------------------------

CLOSED = (
    "entity Repo; action push appliesTo { principal: [Agent], resource: [Repo],"
    " context: { args_undeclared: Bool, delegated: Bool, kya_level: Long } };"
)


@pytest.mark.parametrize("first", [PLAIN, acting(ALICE)])
def test_an_action_that_knows_no_delegation_is_denied_with_one_whatever_came_before(
    first: Circumstances,
) -> None:
    policy = compiled(PERMIT_ALL, schema=CLOSED)
    for circumstances in (first, PLAIN, acting(ALICE), acting(BOB), PLAIN):
        decision = ask(policy, WRITER, "push", "Repo:x", circumstances=circumstances)
        assert decision.allowed is (circumstances is PLAIN)


# --- what is kept --------------------------------------------------------------------------


def test_users_whom_no_policy_tells_apart_are_one_question() -> None:
    policy = compiled(PERMIT_ALL)
    for number in range(50):
        assert asked(policy, acting(f"https://idp.example#{number}")).allowed
    assert len(policy.asked) == 2


def test_users_whom_a_policy_tells_apart_are_not() -> None:
    policy = permits(f'context.delegation.user == User::"{ALICE}"')
    inquiries = [
        translate(policy, question(WRITER, circumstances=acting(user))) for user in (ALICE, BOB)
    ]
    assert inquiries[0].asked is not inquiries[1].asked
    assert f'"{BOB}"' not in str(inquiries[0].asked.part.entities)
    assert len(policy.asked) == 3


def test_what_costs_too_much_is_not_kept() -> None:
    policy = permits('context.delegation.scopes.contains("a")')
    huge = acting(ALICE, scopes=["a", "x" * MAX_CACHED_CHARS])
    for _ in range(2):
        assert asked(policy, huge).allowed
    assert len(policy.asked) == 1
