"""No token without a permit for exactly it, none for anybody else, none past its end."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from governd.application.evidence import Shown
from governd.application.get_token import Handed
from governd.application.token_request import Wanted
from governd.delegation.evidence_faults import EvidenceError
from governd.errors import (
    DecisionLogError,
    IssuerUnavailableError,
    MintError,
    NoIdentityError,
    RequestError,
    UpstreamUnknownError,
)
from governd.identity import jose
from governd.identity.secret import Secret
from governd.policy.delegated import EvidenceKind
from tests.fakes.getting_tokens import Getting
from tests.fakes.time import settle
from tests.fakes.upstreams import CORP, CRM, IDP, PERMIT, PLANNER, ROUTER

pytestmark = pytest.mark.req("c-3", part=True)


@pytest.fixture
async def node() -> AsyncIterator[Getting]:
    made = await Getting().open()
    yield made
    await made.close()


def claims(token: Secret) -> dict[str, Any]:
    return dict(jose.read_token(token.reveal().decode())[1])


async def test_a_token_is_for_the_upstream_the_user_and_who_asks(node: Getting) -> None:
    handed = await node.get("crm", node.login(), "read")
    said = claims(handed.token)
    assert (said["iss"], said["aud"], said["sub"]) == (CORP, CRM, "alice")
    assert (said["act"], said["scope"]) == ({"sub": PLANNER}, "read")
    assert (handed.upstream.name, handed.scopes) == ("crm", ("read",))
    assert handed.ends == said["exp"]
    assert node.told == ["crm issued", "crm new"]


async def test_it_is_on_disk_after_its_decision_and_before_anybody_has_it(node: Getting) -> None:
    handed = await node.get("crm", node.login(), "read")
    assert node.log.durable == len(node.log.lines) == 2
    decision, record = node.records
    assert (decision["kind"], record["kind"]) == ("decision", "token")
    assert decision["decision_id"] == record["decision_id"] == handed.decision_id
    assert decision["action"] == "token/exchange"
    assert decision["resource"] == {"type": "external_service", "id": CRM}
    assert record["user"] == {"issuer": IDP, "subject": "alice"}
    assert (record["upstream"], record["authorization_server"]) == ("crm", "corp")
    assert (record["scopes"], record["granted"], record["rule"]) == (["read"], ["read"], None)
    assert record["token_id"] == claims(handed.token)["jti"]
    written = json.dumps(node.records)
    for form in node.corp.forms:
        for name in ("subject_token", "actor_token", "client_assertion"):
            assert form[name] not in written
    assert handed.token.reveal().decode() not in written


@pytest.mark.parametrize("problem", ["full", "unsynced"])
async def test_what_cannot_be_put_on_disk_is_not_handed_out(node: Getting, problem: str) -> None:
    login = node.login()
    setattr(node.log, problem, True)
    with pytest.raises(DecisionLogError) as raised:
        await node.get("crm", login)
    assert raised.value.retry_after
    assert len(node.supply) == 0
    setattr(node.log, problem, False)
    await node.time.advance(2)
    assert await node.get("crm", login)


async def test_where_nothing_comes_to_disk_servers_are_not_asked_by_each_call(
    node: Getting,
) -> None:
    login = node.login()
    node.log.unsynced = True
    for _ in range(20):
        with pytest.raises(DecisionLogError):
            await node.get("crm", login)
    assert node.asked == {"token-exchange": 1}


async def test_where_the_log_is_full_no_authorization_server_is_asked(node: Getting) -> None:
    node.log.full = True
    with pytest.raises(DecisionLogError):
        await node.get("crm", node.login())
    assert not node.corp.forms


async def test_policy_is_asked_and_its_deny_is_on_record() -> None:
    node = await Getting(policy="").open()
    with pytest.raises(MintError) as raised:
        await node.get("crm", node.login())
    (decision,) = node.records
    assert raised.value.metadata["decision_id"] == decision["decision_id"]
    assert not decision["decision"]
    assert not node.corp.forms, "who is denied costs no authorization server anything"
    assert node.told == ["crm MintError"]


async def test_a_permit_with_an_obligation_is_none() -> None:
    node = await Getting(PERMIT.replace("permit", '@obligation("step-up") permit')).open()
    with pytest.raises(MintError, match="obligations"):
        await node.get("crm", node.login())


async def test_policies_see_the_user_the_upstream_and_the_scopes() -> None:
    condition = (
        'context has delegation && context.delegation.user_subject == "alice" && '
        'context has token && context.token.upstream == "crm" && '
        '!context.token.scopes.contains("write")'
    )
    node = await Getting(PERMIT.replace(";\n", f" when {{ {condition} }};\n")).open()
    assert await node.get("crm", node.login(), "read")
    for upstream, user, scope in (
        ("crm", "alice", "write"),
        ("crm", "carol", "read"),
        ("files", "alice", "read"),
    ):
        with pytest.raises(MintError):
            await node.get(upstream, node.login(user), scope)


async def test_a_token_that_is_held_is_handed_out_after_a_decision_of_its_own(
    node: Getting,
) -> None:
    login = node.login()
    first, second = await node.get("crm", login), await node.get("crm", login)
    assert second.token == first.token
    assert second.decision_id != first.decision_id
    assert [one["kind"] for one in node.records] == ["decision", "token", "decision"]
    assert node.asked == {"token-exchange": 1}
    assert node.told == ["crm issued", "crm new", "crm held"]


async def test_whoever_may_have_it_no_more_gets_none_that_is_held(node: Getting) -> None:
    login = node.login()
    await node.get("crm", login)
    node.source.put("policies/test.cedar", b"")
    await node.policies.check()
    with pytest.raises(MintError):
        await node.get("crm", login)


async def test_attack_two_agents_of_one_user_share_no_token(node: Getting) -> None:
    login = node.login()
    mine = await node.get("crm", login)
    other = await node.get("crm", login, agent=ROUTER)
    assert claims(mine.token)["act"] != claims(other.token)["act"]
    assert node.asked == {"token-exchange": 2}


@pytest.mark.parametrize("other", ["user", "evidence", "scopes", "upstream"])
async def test_attack_a_token_that_was_got_for_something_else(node: Getting, other: str) -> None:
    login = node.login()
    first = await node.get("crm", login)
    changed: dict[str, tuple[str, Shown, tuple[str, ...]]] = {
        "user": ("crm", node.login("carol"), ()),
        "evidence": ("crm", node.login(nonce="another"), ()),
        "scopes": ("crm", login, ("read",)),
        "upstream": ("files", login, ()),
    }
    upstream, shown, scopes = changed[other]
    second = await node.get(upstream, shown, *scopes)
    assert second.token != first.token
    assert node.asked == {"token-exchange": 2}


async def test_a_hundred_callers_on_a_cold_key_are_one_request(node: Getting) -> None:
    login = node.login()
    node.corp.held.clear()
    asking = [asyncio.ensure_future(node.get("crm", login)) for _ in range(100)]
    await settle()
    node.corp.held.set()
    handed = await asyncio.gather(*asking)
    assert node.asked == {"token-exchange": 1}
    assert len({one.token.reveal() for one in handed}) == 1
    assert len({one.decision_id for one in handed}) == 100, "each was decided"


async def waiting(node: Getting, login: Shown) -> "asyncio.Future[Handed]":
    """One call that waits for the authorization server."""
    node.corp.held.clear()
    asking = asyncio.ensure_future(node.get("crm", login))
    await settle()
    assert node.corp.forms
    return asking


@pytest.mark.parametrize("who", [PLANNER, f"{IDP}#alice"])
async def test_attack_revoked_while_the_authorization_server_was_asked(
    node: Getting, who: str
) -> None:
    asking = await waiting(node, node.login())
    await node.revoke(who)
    node.corp.held.set()
    with pytest.raises(MintError):
        await asking
    assert len(node.supply) == 0


async def test_a_change_of_policy_meanwhile_is_decided_on_and_asks_nobody_again(
    node: Getting,
) -> None:
    asking = await waiting(node, node.login())
    await node.revoke(ROUTER)
    node.corp.held.set()
    handed = await asking
    decisions = [one for one in node.records if one["kind"] == "decision"]
    assert [one["decision_id"] for one in decisions][-1] == handed.decision_id
    assert len(decisions) == 2
    assert node.asked == {"token-exchange": 1}


@pytest.mark.parametrize("who", [PLANNER, f"{IDP}#alice"])
async def test_who_is_revoked_gets_none_and_nothing_is_held_for_them(
    node: Getting, who: str
) -> None:
    login, other = node.login(), node.login("carol")
    await node.get("crm", login)
    await node.get("crm", other, agent=ROUTER)
    await node.revoke(who)
    await node.look()
    assert len(node.supply) == 1
    with pytest.raises(MintError):
        await node.get("crm", login)
    assert await node.get("crm", other, agent=ROUTER)


async def test_a_token_of_another_definition_is_handed_out_no_more(node: Getting) -> None:
    login = node.login()
    for upstream in ("crm", "mail"):
        await node.get(upstream, login)
    await node.rewrite(**{'"https://crm.example/mcp"': '"https://crm.example/v2"'})
    await node.look()
    assert [one.key.upstream for one in node.supply] == ["mail"]
    assert claims((await node.get("crm", login)).token)["aud"] == "https://crm.example/v2"
    await node.rewrite(**{'client_id = "governd"': 'client_id = "other"'})
    await node.look()
    assert len(node.supply) == 0, "another client is another definition, too"


async def test_no_token_outlives_the_evidence(node: Getting) -> None:
    now = int(node.time.wall)
    login = node.login(exp=now + 100)
    assert (await node.get("crm", login)).ends == now + 100
    await node.time.advance(99)
    assert await node.get("crm", login)
    await node.time.advance(1)
    with pytest.raises(EvidenceError, match="has ended"):
        await node.get("crm", login)
    await node.look()
    assert len(node.supply) == 0


async def test_attack_evidence_that_ends_while_the_authorization_server_is_asked(
    node: Getting,
) -> None:
    now = int(node.time.wall)
    node.corp.clock = lambda: now  # its clock is behind
    asking = await waiting(node, node.login(exp=now + 5))
    await node.time.advance(6)
    node.corp.held.set()
    with pytest.raises(EvidenceError, match="has ended"):
        await asking
    assert [one["kind"] for one in node.records] == ["decision"]


async def test_no_token_outlives_the_agent_s_identity_that_it_rests_on(node: Getting) -> None:
    await node.time.advance(3600 - 200)
    ends = int(node.time.wall) + 200
    assert (await node.get("crm", node.login())).ends == ends
    assert (await node.get("jobs")).ends == ends + 100, "this one rests on governd's alone"


async def test_evidence_for_an_upstream_that_needs_none_and_none_for_one_that_does(
    node: Getting,
) -> None:
    assert claims((await node.get("jobs")).token)["sub"] == "governd"
    with pytest.raises(RequestError) as raised:
        await node.get("jobs", node.login())
    assert raised.value.field == "evidence"
    with pytest.raises(RequestError, match="required"):
        await node.get("crm")
    assert not [one for one in node.records if one.get("resource", {}).get("id") == CRM]


async def test_attack_evidence_that_does_not_hold(node: Getting) -> None:
    token = node.idp.id_token("alice", "another-app")
    with pytest.raises(EvidenceError):
        await node.get("crm", Shown(EvidenceKind.ID_TOKEN, Secret(token.encode())))
    assert not node.records
    assert not node.corp.forms
    assert node.told == ["crm EvidenceError"]


async def test_what_no_policy_names_is_unknown(node: Getting) -> None:
    with pytest.raises(UpstreamUnknownError):
        await node.get("bank", node.login())
    assert node.told == ["other UpstreamUnknownError"]
    with pytest.raises(RequestError, match="scopes"):
        await node.get("crm", node.login(), "admin")


async def test_no_policy_permits_nothing() -> None:
    node = Getting()
    node.source.away = True
    await node.open()
    with pytest.raises(MintError) as raised:
        await node.get("crm", node.login())
    assert raised.value.metadata == {"rule": "NO_POLICY"}
    assert len(node.supply) == 0


async def test_an_upstream_is_found_by_its_resource_too(node: Getting) -> None:
    login = node.login()
    named = await node.get("crm", login)
    meant = await node.getter.get(node.call(), Wanted(resource=CRM), login)
    assert meant.token == named.token
    wanted = Wanted(resource=CRM, scopes=("admin",), scope_field="scope")
    with pytest.raises(RequestError) as raised:
        await node.getter.get(node.call(), wanted, login)
    assert raised.value.field == "scope"


async def test_what_an_upstream_refused_is_renewed_but_not_at_once(node: Getting) -> None:
    login = node.login()
    first = await node.get("crm", login)
    assert (await node.get("crm", login, renew=True)).token == first.token, "it is young"
    await node.time.advance(5)
    renewed = await node.get("crm", login, renew=True)
    assert renewed.token != first.token
    assert (await node.get("crm", login)).token == renewed.token
    assert node.asked == {"token-exchange": 2}


async def test_what_was_refused_stays_held_until_there_is_another(node: Getting) -> None:
    login = node.login()
    first = await node.get("crm", login)
    await node.time.advance(60)
    node.wire.away.add(CORP)
    with pytest.raises(IssuerUnavailableError):
        await node.get("crm", login, renew=True)
    assert (await node.get("crm", login)).token == first.token


async def test_a_clock_that_is_set_back_makes_no_token_young(node: Getting) -> None:
    login = node.login(exp=int(node.time.wall) + 36_000)
    first = await node.get("crm", login)
    node.time.wall -= 30
    assert (await node.get("crm", login, renew=True)).token != first.token


async def test_a_token_that_ends_while_it_goes_on_record_is_nobodys(
    node: Getting, monkeypatch: pytest.MonkeyPatch
) -> None:
    durably = node.log.append_durably

    async def slow(records: list[bytes]) -> None:
        await durably(records)
        node.time.wall += 200

    monkeypatch.setattr(node.log, "append_durably", slow)
    with pytest.raises(EvidenceError, match="expired"):
        await node.get("crm", node.login(exp=int(node.time.wall) + 120))


async def test_who_has_no_identity_here_fails_for_nobody_else(node: Getting) -> None:
    login, alone = node.login(), node.call()
    alone.held = None  # the same agent, over a channel of its own
    asking = [node.getter.get(alone, Wanted("crm"), login), node.get("crm", login)]
    first, second = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(first, NoIdentityError)
    assert isinstance(second, Handed)


async def test_while_a_server_is_away_tokens_count_to_their_end_and_others_go_on(
    node: Getting,
) -> None:
    login = node.login()
    held = await node.get("crm", login)
    node.wire.away.add(IDP)
    with pytest.raises(IssuerUnavailableError) as raised:
        await node.get("mail", login)
    assert raised.value.retry_after
    assert raised.value.metadata["upstream"] == "mail"
    assert await node.get("files", login), "that one needs another server"
    node.wire.away = {CORP}
    await node.time.advance(299)
    assert (await node.get("crm", login)).token == held.token
    await node.time.advance(1)
    with pytest.raises(IssuerUnavailableError):
        await node.get("crm", login)
    node.wire.away.clear()
    await node.time.advance(10)
    assert await node.get("crm", login)
