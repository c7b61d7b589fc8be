"""An operator sees upstreams and the tokens that are held, and never a token."""

from collections.abc import AsyncIterator

import pytest

from governd._proto.governd.v1 import admin_service_pb2 as pb
from governd.errors import RequestError, UpstreamUnknownError
from governd.services.admin_upstreams import MAX_TOKENS, AdminUpstreams
from tests.fakes.getting_tokens import Getting
from tests.fakes.upstreams import CORP, CRM, IDP, PLANNER, ROUTER

pytestmark = pytest.mark.req("avail-3", part=True)


class Admin(AdminUpstreams):
    """An operator's questions to a node."""

    def __init__(self, node: Getting) -> None:
        self.states = {"idp": "up"}
        self.node = node
        state_of = lambda name: self.states.get(name, "unknown")  # noqa: E731
        super().__init__(node.policies, node.checker, node.supply, state_of)

    def status(self, name: str) -> pb.UpstreamStatus:
        listed = self.list(pb.ListUpstreamsRequest()).upstreams
        return next(one for one in listed if one.name == name)


@pytest.fixture
async def admin() -> AsyncIterator[Admin]:
    node = await Getting().open()
    yield Admin(node)
    await node.close()


async def test_upstreams_are_listed_by_name_as_the_policy_states_them(admin: Admin) -> None:
    names = [one.name for one in admin.list(pb.ListUpstreamsRequest()).upstreams]
    assert names == sorted(names)
    assert len(names) == 9
    crm = admin.status("crm")
    assert (crm.resource, crm.audience) == (CRM, "")
    assert (crm.authorization_server, crm.issuer, crm.grant) == ("corp", CORP, "token-exchange")
    assert (crm.client, crm.actor, list(crm.scopes)) == ("governd", "agent", ["read", "write"])
    assert (crm.tokens, crm.state) == (0, "unknown")
    assert admin.status("jobs").actor == ""
    assert admin.status("plain").actor == "unsafe_none"


async def test_an_upstream_is_down_when_one_of_its_servers_is(admin: Admin) -> None:
    assert admin.status("mail").state == "unknown"
    admin.states["corp"] = "up"
    assert admin.status("mail").state == "up"
    admin.states["idp"] = "down: it does not answer"
    assert admin.status("mail").state == "down: it does not answer"
    assert admin.status("crm").state == "up"


async def test_tokens_are_listed_without_the_tokens(admin: Admin) -> None:
    login = admin.node.login()
    handed = await admin.node.get("crm", login, "read")
    await admin.node.get("crm", login, "read")
    await admin.node.get("jobs", agent=ROUTER)
    response = admin.tokens(pb.ListTokensRequest())
    crm, jobs = response.tokens
    assert (crm.upstream, crm.caller, crm.user) == ("crm", PLANNER, f"{IDP}#alice")
    assert (list(crm.scopes), crm.uses) == (["read"], 2)
    assert crm.expires_at.seconds == int(handed.ends)
    assert crm.issued_at.seconds == int(admin.node.time.wall)
    assert (jobs.upstream, jobs.caller, jobs.user) == ("jobs", ROUTER, "")
    digests = [one["digest"] for one in admin.node.records if one["kind"] == "token"]
    assert [crm.digest, jobs.digest] == digests
    assert crm.digest.startswith("sha-256:")
    assert len(crm.digest) == len("sha-256:") + 64
    assert handed.token.reveal() not in response.SerializeToString()
    assert admin.status("crm").tokens == 1


async def test_a_list_may_be_of_one_upstream_and_has_an_end(admin: Admin) -> None:
    for upstream in ("jobs", "self"):
        await admin.node.get(upstream)
    response = admin.tokens(pb.ListTokensRequest(upstream="self"))
    assert [one.upstream for one in response.tokens] == ["self"]
    assert response.total == 2
    many = list(admin.node.supply) * MAX_TOKENS
    node = admin.node
    response = AdminUpstreams(node.policies, node.checker, many, str).tokens(pb.ListTokensRequest())
    assert (len(response.tokens), response.total) == (MAX_TOKENS, 2 * MAX_TOKENS)


async def test_a_check_is_told_step_by_step(admin: Admin) -> None:
    good = await admin.check(pb.CheckUpstreamRequest(name="crm"))
    assert good.ok
    assert [one.step for one in good.checks] == ["metadata", "keys", "client", "grant"]
    assert {one.authorization_server for one in good.checks} == {"corp"}
    admin.node.corp.trust.clients.clear()
    bad = await admin.check(pb.CheckUpstreamRequest(name="crm"))
    assert not bad.ok
    assert (bad.checks[-1].step, bad.checks[-1].ok) == ("client", False)
    assert "invalid_client" in bad.checks[-1].detail


async def test_what_is_checked_has_a_name_that_the_policy_knows(admin: Admin) -> None:
    with pytest.raises(RequestError):
        await admin.check(pb.CheckUpstreamRequest())
    with pytest.raises(UpstreamUnknownError):
        await admin.check(pb.CheckUpstreamRequest(name="bank"))


async def test_before_the_first_policy_there_is_nothing(admin: Admin) -> None:
    assert not Admin(Getting()).list(pb.ListUpstreamsRequest()).upstreams
