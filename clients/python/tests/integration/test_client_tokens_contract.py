"""Access tokens over either port: in memory and over gRPC, the same."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from governd_client import (
    AsyncClient,
    Client,
    Evidence,
    EvidenceKind,
    InvalidRequestError,
    TokenRefusedError,
    UnavailableError,
    UpstreamUnknownError,
)
from governd_client.testing import FakeGovernd, FakeUpstream, status_of

MCP = "https://crm.example.org/mcp"
LOGIN = Evidence(EvidenceKind.ACCESS_TOKEN, "secret.access.token")
UPSTREAMS = {
    "crm": FakeUpstream(resource=MCP, audience="crm", scopes=("read", "write"), for_user=True),
    "jobs": FakeUpstream(audience="jobs", scopes=("run",)),
}


@pytest.fixture(params=["memory", "wire"])
def client(request: pytest.FixtureRequest, governd: FakeGovernd, socket: str) -> Iterator[Client]:
    governd.upstreams, memory = UPSTREAMS, request.param == "memory"
    with Client(socket, port=governd.port() if memory else None) as made:
        yield made


@pytest.fixture(params=["memory", "wire"])
async def async_client(
    request: pytest.FixtureRequest, governd: FakeGovernd, tmp_path: Path
) -> AsyncIterator[AsyncClient]:
    governd.upstreams, memory = UPSTREAMS, request.param == "memory"
    with governd.serve(tmp_path / "governd.sock") as path:
        port = governd.async_port() if memory else None
        async with AsyncClient(path, port=port) as made:
            yield made


def test_a_token_is_handed_out_until_it_is_renewed(client: Client) -> None:
    token = client.token("crm", evidence=LOGIN)
    assert client.token("crm", evidence=LOGIN) == token
    assert client.token("crm", evidence=LOGIN, renew=True) != token
    assert (token.scopes, token.resource) == (("read", "write"), MCP)
    assert token.headers == {"Authorization": f"Bearer {token.token}"}


async def test_an_asynchronous_client_gets_the_same(async_client: AsyncClient) -> None:
    token = await async_client.token("crm", evidence=LOGIN)
    assert await async_client.token("crm", evidence=LOGIN) == token
    assert await async_client.token("crm", evidence=LOGIN, renew=True) != token
    assert (token.scopes, token.resource) == (("read", "write"), MCP)


def test_what_is_held_is_held_for_these_scopes_and_this_user(client: Client) -> None:
    other = Evidence(EvidenceKind.ACCESS_TOKEN, "of.another.user")
    tokens = [
        client.token("crm", evidence=LOGIN),
        client.token("crm", evidence=LOGIN, scopes=["read"]),
        client.token("crm", evidence=other),
        client.token("jobs"),
    ]
    assert len({each.token for each in tokens}) == 4


def test_an_exchange_gives_what_the_upstream_has(client: Client) -> None:
    held = client.token("crm", evidence=LOGIN)
    exchanged = client.exchange(LOGIN, resource=MCP)
    assert (exchanged.token, exchanged.scopes) == (held.token, ("read", "write"))
    assert client.exchange(LOGIN, audience="crm", scopes=["read"]).scopes == ("read",)


async def test_an_asynchronous_exchange_gives_the_same(async_client: AsyncClient) -> None:
    exchanged = await async_client.exchange(LOGIN, resource=MCP)
    assert exchanged.token == (await async_client.token("crm", evidence=LOGIN)).token
    with pytest.raises(UpstreamUnknownError):
        await async_client.exchange(LOGIN, audience="elsewhere")


def test_a_refusal_says_why(governd: FakeGovernd, client: Client) -> None:
    with pytest.raises(UpstreamUnknownError):
        client.token("elsewhere")
    with pytest.raises(InvalidRequestError) as raised:
        client.token("crm", evidence=LOGIN, scopes=["admin"])
    assert raised.value.field == "scopes"
    governd.refusals["GetToken"] = status_of(
        "FAILED_PRECONDITION", "TOKEN_REFUSED", rule="refused", error="invalid_target"
    )
    with pytest.raises(TokenRefusedError) as refused:
        client.token("crm", evidence=LOGIN)
    assert refused.value.metadata == {"rule": "refused", "error": "invalid_target"}


async def test_an_issuer_that_is_away_is_no_token(
    governd: FakeGovernd, async_client: AsyncClient
) -> None:
    governd.refusals["GetToken"] = status_of("UNAVAILABLE", "ISSUER_UNAVAILABLE", upstream="crm")
    with pytest.raises(UnavailableError) as raised:
        await async_client.token("crm", evidence=LOGIN)
    assert (raised.value.reason, raised.value.metadata["upstream"]) == ("ISSUER_UNAVAILABLE", "crm")
