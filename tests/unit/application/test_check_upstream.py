"""A check says which step is not as it has to be, and gives nobody a token."""

from collections.abc import AsyncIterator

import pytest

from governd.application.check_upstream import Step
from governd.errors import UpstreamUnknownError
from governd.tokens import words
from tests.fakes.authorization_server import error
from tests.fakes.getting_tokens import Getting
from tests.fakes.upstreams import CORP, GOVERND, IDP, SERVERS, UPSTREAMS

pytestmark = pytest.mark.req("avail-3", part=True)


@pytest.fixture
async def node() -> AsyncIterator[Getting]:
    made = await Getting().open()
    yield made
    await made.close()


def told(steps: list[Step]) -> list[str]:
    return [f"{one.server} {one.step} {'ok' if one.ok else one.detail}" for one in steps]


ALL = ["corp metadata ok", "corp keys ok", "corp client ok", "corp grant ok"]


@pytest.mark.parametrize("upstream", ["crm", "self", "hr", "jobs", "own"])
async def test_a_server_that_knows_client_and_grant_refuses_just_the_token(
    node: Getting, upstream: str
) -> None:
    steps = await node.checker.check(upstream)
    assert told(steps) == ALL
    assert len(node.corp.forms) == 1
    assert len(node.supply) == 0
    assert not node.records


async def test_both_servers_of_an_id_jag_are_asked(node: Getting) -> None:
    steps = await node.checker.check("mail")
    assert told(steps) == [*(one.replace("corp", "idp") for one in ALL), *ALL]
    assert node.idp.forms[0]["requested_token_type"] == words.ID_JAG
    assert node.corp.forms[0]["grant_type"] == words.JWT_BEARER


async def test_no_token_of_anybodys_is_shown(node: Getting) -> None:
    for upstream in ("crm", "self", "mail", "hr"):
        await node.checker.check(upstream)
    shown = {
        form[name]
        for form in (*node.corp.forms, *node.idp.forms)
        for name in ("subject_token", "assertion")
        if name in form
    }
    assert shown == {"none"}


async def test_an_agent_that_is_the_client_is_not_asked_for(node: Getting) -> None:
    steps = await node.checker.check("direct")
    assert told(steps) == ["corp metadata ok", "corp client ok"]
    assert "the agent" in steps[-1].detail
    assert not node.corp.forms


@pytest.mark.parametrize(
    ("code", "step"),
    [
        ("invalid_client", "client"),
        ("unauthorized_client", "client"),
        ("unsupported_grant_type", "grant"),
        ("invalid_target", "grant"),
        ("access_denied", "grant"),
    ],
)
async def test_what_a_server_says_against_it_is_told(node: Getting, code: str, step: str) -> None:
    body = f'{{"error": "{code}"}}'.encode()
    node.corp.answer = error("400 Bad Request", body, content_type="application/json")
    *_, last = await node.checker.check("crm")
    assert (last.step, last.ok) == (step, False)
    assert code in last.detail


@pytest.mark.parametrize("status", ["503 Busy", "302 Found", "200 OK"])
async def test_an_answer_that_is_none_ends_it_at_the_client(node: Getting, status: str) -> None:
    node.corp.answer = error(status, b"<html>")
    *_, last = await node.checker.check("crm")
    assert (last.step, last.ok) == ("client", False)


async def test_a_server_that_gives_a_token_for_one_that_is_none_is_not_ok(node: Getting) -> None:
    body = b'{"access_token": "x", "token_type": "Bearer"}'
    node.corp.answer = error("200 OK", body, content_type="application/json")
    *_, last = await node.checker.check("crm")
    assert (last.step, last.ok) == ("grant", False)
    *_, last = await node.checker.check("jobs")
    assert last.ok, "for these it need not be one"


async def test_a_server_that_is_away_or_another_ends_it_at_its_metadata(node: Getting) -> None:
    node.corp.metadata["issuer"] = "https://evil.example"
    (last,) = await node.checker.check("crm")
    assert (last.step, last.ok) == ("metadata", False)
    node.wire.away.add(IDP)
    (last,) = await node.checker.check("mail")
    assert (last.server, last.step, last.ok) == ("idp", "metadata", False)


async def test_without_anything_to_show_nobody_is_asked() -> None:
    servers = SERVERS.replace('client_key = "corp"', 'client_key = "gone"')
    node = await Getting(manifest=servers + UPSTREAMS).open()
    for upstream in ("hr", "mail"):
        *_, last = await node.checker.check(upstream)
        assert (last.step, last.ok) == ("keys", False)
    assert not [*node.corp.forms, *node.idp.forms]


async def test_a_stated_token_endpoint_is_taken_as_it_is() -> None:
    stated = f'issuer = "{CORP}"\ntoken_endpoint = "{CORP}/token"'
    node = await Getting(manifest=SERVERS.replace(f'issuer = "{CORP}"', stated) + UPSTREAMS).open()
    steps = await node.checker.check("crm")
    assert told(steps) == ALL
    assert steps[0].detail.endswith(f"{CORP}/token")
    assert not node.corp.asked["metadata"]
    assert node.corp.forms[0]["client_id"] == GOVERND


async def test_what_no_policy_names_is_unknown(node: Getting) -> None:
    with pytest.raises(UpstreamUnknownError):
        await node.checker.check("bank")
    empty = Getting()
    with pytest.raises(UpstreamUnknownError, match="no policy"):
        await empty.checker.check("crm")
