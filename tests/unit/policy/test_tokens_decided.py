"""Which token is asked for decides where a policy says so; no permit, no token."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governd.policy.compiled import CompiledPolicy
from governd.policy.decision import DecisionCode
from governd.policy.delegated import PLAIN, Circumstances, TokenWanted
from governd.policy.engine import judge
from governd.policy.inquiry import translate
from governd.policy.manifest import Tenant
from governd.policy.memo import Memo
from tests.policies import (
    ACME,
    ALICE,
    BETA,
    BOB,
    PERMIT_ALL,
    READER,
    WRITER,
    acting,
    ask,
    compiled,
    question,
)
from tests.upstreams import CRM, UPSTREAMS, ask_token, token_question

EXCHANGE = 'action == Action::"token/exchange"'
FOR_ALICE = acting(ALICE)


def permits(condition: str) -> CompiledPolicy:
    text = f'@id("it") permit (principal, {EXCHANGE}, resource)'
    return compiled(f"{text} when {{ context has token && {condition} }};", manifest=UPSTREAMS)


EVERYTHING = compiled(PERMIT_ALL, manifest=UPSTREAMS)


def test_without_a_permit_there_is_no_token() -> None:
    calls = compiled(
        '@id("calls") permit (principal, action == Action::"http/request", resource);'
        '@id("svids") permit (principal, action == Action::"identity/jwt-svid", resource);',
        manifest=UPSTREAMS,
    )
    found = ask_token(calls, circumstances=FOR_ALICE)
    assert found.code is DecisionCode.NOT_PERMITTED


TOLD = {
    "the upstream": ('context.token.upstream == "crm"', ("crm", ["read"]), ("ledger", ["read"])),
    "a scope": (
        'context.token.scopes.contains("write")',
        ("crm", ["read", "write"]),
        ("crm", ["read"]),
    ),
    "no other scope": (
        '["read"].containsAll(context.token.scopes)',
        ("crm", ["read"]),
        ("crm", ["read", "write"]),
    ),
}


@pytest.mark.parametrize(("condition", "good", "bad"), TOLD.values(), ids=TOLD.keys())
def test_a_policy_is_told(
    condition: str, good: tuple[str, Sequence[str]], bad: tuple[str, Sequence[str]]
) -> None:
    policy = permits(condition)
    for _ in range(2):
        assert ask_token(policy, *good, circumstances=FOR_ALICE).reasons == ("it",)
        found = ask_token(policy, *bad, circumstances=FOR_ALICE)
        assert found.code is DecisionCode.NOT_PERMITTED


def test_a_policy_is_told_whose_token_it_is() -> None:
    policy = permits("!context.token.for_user")
    assert ask_token(policy, "crm-own").reasons == ("it",)
    found = ask_token(policy, "crm", circumstances=FOR_ALICE)
    assert found.code is DecisionCode.NOT_PERMITTED


def test_a_policy_that_does_not_ask_whether_there_is_one_is_refused() -> None:
    text = f"forbid (principal, {EXCHANGE}, resource) when {{ context.token.for_user }};"
    with pytest.raises(Exception, match="token"):
        compiled(text, manifest=UPSTREAMS)


@pytest.mark.parametrize(
    ("name", "circumstances"), [("crm", PLAIN), ("crm-own", FOR_ALICE), ("ledger", PLAIN)]
)
def test_a_users_token_has_a_user_and_an_agents_own_none(
    name: str, circumstances: Circumstances
) -> None:
    found = ask_token(EVERYTHING, name, circumstances=circumstances)
    assert found.reasons == ("base/token-needs-its-user",)


def test_what_would_be_may_be_asked_without_saying_for_which_upstream() -> None:
    assert ask(EVERYTHING, WRITER, "token/exchange", f"external_service:{CRM}").allowed


def test_a_token_in_another_question_is_none() -> None:
    wanted = Circumstances(token=TokenWanted("crm", ("read",), for_user=False))
    found = ask(EVERYTHING, WRITER, "http/request", f"external_service:{CRM}", circumstances=wanted)
    assert found.code is DecisionCode.UNKNOWN_RESOURCE


@pytest.mark.parametrize(
    "revoked",
    [f'subjects = ["{WRITER}"]', f'subjects = ["{READER}"]', f'users = ["{ALICE}"]'],
)
def test_the_revoked_get_none_and_nobody_for_them(revoked: str) -> None:
    policy = compiled(PERMIT_ALL, manifest=f"[revoked]\n{revoked}\n{UPSTREAMS}")
    chain = acting(ALICE, WRITER, READER)
    assert ask_token(policy, circumstances=chain).reasons == ("base/revoked",)
    assert ask_token(EVERYTHING, circumstances=chain).allowed


def test_a_permit_for_a_token_is_never_leased() -> None:
    found = ask_token(EVERYTHING, circumstances=FOR_ALICE, lease=5.0)
    assert (found.allowed, found.destructive, found.lease_seconds) == (True, True, 0.0)


def by_token(*scopes: str) -> Circumstances:
    return acting(ALICE, WRITER, READER, scopes=scopes, evidence=["acting_as"], binding=3)


@pytest.mark.parametrize(
    ("delegated", "name", "scopes"),
    [
        (["token:exchange:ledger/read"], "ledger", ["read"]),
        (["token:exchange:ledger/read", "token:exchange:ledger/post"], "ledger", ["post", "read"]),
        (["token:exchange:ledger/*"], "ledger", ["post", "read"]),
        (["token:exchange:mail/*"], "mail", []),
    ],
)
def test_an_acting_as_token_is_for_the_upstreams_that_it_names(
    delegated: list[str], name: str, scopes: list[str]
) -> None:
    assert ask_token(EVERYTHING, name, scopes, circumstances=by_token(*delegated)).allowed


@pytest.mark.parametrize(
    ("delegated", "name", "scopes"),
    [
        ([], "ledger", ["read"]),
        (["token:exchange:ledger/read"], "ledger", ["post", "read"]),
        (["token:exchange:ledger/read"], "crm", ["read"]),
        (["token:exchange:led/*"], "ledger", ["read"]),
        (["token:exchange:ledger/rea"], "ledger", ["read"]),
        (["token:exchange:ledger/"], "ledger", ["read"]),
        (["token:exchange:ledger"], "ledger", ["read"]),
        (["token:exchange:*"], "ledger", ["read"]),
        (["tools:call:ledger/*", "read"], "ledger", ["read"]),
        (["token:exchange:mail/read"], "mail", []),
    ],
)
def test_attack_an_acting_as_token_for_something_else(
    delegated: list[str], name: str, scopes: list[str]
) -> None:
    found = ask_token(EVERYTHING, name, scopes, circumstances=by_token(*delegated))
    assert found.reasons == ("base/delegation-in-scope",)


WORDS = st.lists(st.sampled_from(["post", "read", "*"]), unique=True, max_size=3)


@given(delegated=WORDS, asked=WORDS, more=WORDS)
def test_what_covers_many_scopes_covers_a_few(
    delegated: list[str], asked: list[str], more: list[str]
) -> None:
    given = by_token(*(f"token:exchange:ledger/{word}" for word in delegated))
    wider = sorted({*asked, *more})
    if ask_token(EVERYTHING, "ledger", wider, circumstances=given).allowed and asked:
        assert ask_token(EVERYTHING, "ledger", asked, circumstances=given).allowed


def test_a_users_own_token_needs_no_scope_for_it() -> None:
    assert ask_token(EVERYTHING, circumstances=acting(ALICE, scopes=["openid"])).allowed


def test_a_decision_about_one_token_is_none_about_another() -> None:
    memo = Memo()
    asked = token_question(EVERYTHING, "crm", ["read"], circumstances=FOR_ALICE)
    verdict = judge(EVERYTHING, asked, age_seconds=0.0)
    memo.keep("e", asked, verdict, now=0.0)
    others = (
        token_question(EVERYTHING, "crm", ["read", "write"], circumstances=FOR_ALICE),
        token_question(EVERYTHING, "crm-own", ["read"], circumstances=FOR_ALICE),
        token_question(EVERYTHING, "crm", ["read"], circumstances=acting(BOB)),
        question(WRITER, "token/exchange", f"external_service:{CRM}", circumstances=FOR_ALICE),
    )
    assert memo.find("e", asked, now=1.0, age_seconds=0.0) is verdict
    assert [memo.find("e", one, now=1.0, age_seconds=0.0) for one in others] == [None] * 4


def test_what_no_candidate_looks_at_of_a_user_does_not_tell_tokens_apart() -> None:
    policy = permits('context.token.upstream == "crm"')
    first = translate(policy, token_question(policy, circumstances=FOR_ALICE))
    assert ask_token(policy, circumstances=FOR_ALICE).allowed
    second = translate(policy, token_question(policy, circumstances=FOR_ALICE))
    assert second.asked is first.asked
    other = translate(policy, token_question(policy, scopes=["write"], circumstances=FOR_ALICE))
    assert other.asked is not first.asked
    assert '"upstream": "crm"' in second.context


def test_what_is_kept_of_a_token_is_counted() -> None:
    short = TokenWanted("crm", ("read",), for_user=True)
    longer = short._replace(scopes=("read", "w" * 256))
    assert Circumstances(token=longer).chars > Circumstances(token=short).chars + 256
    assert Circumstances(token=short).chars > PLAIN.chars
    both = FOR_ALICE._replace(token=short)
    assert both.chars == FOR_ALICE.chars + Circumstances(token=short).chars


@pytest.mark.parametrize(
    "service",
    [
        "https://login.example/realms/corp",
        "https://login.example/realms/corp/protocol/token",
        "https://sts.example/token",
    ],
)
def test_attack_an_agent_as_a_client_of_an_authorization_server(service: str) -> None:
    found = ask(EVERYTHING, WRITER, "identity/jwt-svid", f"external_service:{service}")
    assert found.reasons == ("base/reserved-audiences",)
    beside = ask(EVERYTHING, WRITER, "identity/jwt-svid", "external_service:https://login.example")
    assert beside.allowed


ACMES = f'[[tenant]]\nname = "acme"\nnamespaces = ["acme"]\nupstreams = ["ledger"]\n{UPSTREAMS}'
OF_ACME = {"tenants/acme/policies/all.cedar": PERMIT_ALL}


@pytest.mark.req("tenant-1", part=True)
def test_a_tenant_permits_tokens_for_upstreams_that_the_manifest_names() -> None:
    policy = compiled(manifest=ACMES, extra=OF_ACME)
    theirs = acting(ALICE, ACME)
    found = ask_token(policy, "ledger", subject=ACME, circumstances=theirs)
    assert found.reasons == ("tenant/acme/all",)
    assert not ask_token(policy, "crm", subject=ACME, circumstances=theirs).allowed
    assert not ask_token(policy, "mail", [], subject=ACME, circumstances=theirs).allowed


@pytest.mark.req("tenant-1", part=True)
@pytest.mark.parametrize("subject", [BETA, WRITER])
def test_attack_a_tenants_permit_for_somebody_elses_agent(subject: str) -> None:
    policy = compiled(manifest=ACMES, extra=OF_ACME)
    theirs = acting(ALICE, subject)
    assert not ask_token(policy, "ledger", subject=subject, circumstances=theirs).allowed


@pytest.mark.req("tenant-1", part=True)
@pytest.mark.parametrize("action", ["http/request", "identity/jwt-svid"])
def test_a_tenant_permits_nothing_else_of_an_upstream(action: str) -> None:
    policy = compiled(manifest=ACMES, extra=OF_ACME)
    assert not ask(policy, ACME, action, "external_service:https://ledger.example").allowed


@pytest.mark.req("tenant-1", part=True)
def test_a_tenant_forbids_its_own_agents_any_upstream() -> None:
    text = f'@id("none") forbid (principal, {EXCHANGE}, resource);'
    policy = compiled(PERMIT_ALL, manifest=ACMES, extra={"tenants/acme/policies/x.cedar": text})
    found = ask_token(policy, subject=ACME, circumstances=acting(ALICE, ACME))
    assert found.reasons == ("tenant/acme/none",)
    assert ask_token(policy, circumstances=FOR_ALICE).allowed


@pytest.mark.req("tenant-1", part=True)
def test_a_tenant_permits_nothing_of_what_no_upstream_is() -> None:
    policy = compiled(manifest=ACMES, extra=OF_ACME)
    assert not ask(policy, ACME, "token/exchange", "external_service:bank.example").allowed


@pytest.mark.req("tenant-1", part=True)
@pytest.mark.parametrize(
    ("upstreams", "permitted"), [(["crm"], False), (["crm-own"], False), (["crm", "crm-own"], True)]
)
def test_a_tenant_permits_a_service_only_as_a_whole(upstreams: list[str], permitted: bool) -> None:
    named = (Tenant(name="acme", upstreams=tuple(upstreams)), Tenant(name="beta"))
    manifest = EVERYTHING.manifest.model_copy(update={"tenant": named})
    assert manifest.may_permit("acme", CRM) is permitted
    assert not manifest.may_permit("beta", CRM)
