"""Acting-as tokens and agent cards over either port: in memory and over gRPC, the same."""

import dataclasses
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from governd_client import (
    AgentUnknownError,
    AsyncClient,
    Binding,
    BoundRequest,
    CardInvalidError,
    Client,
    Evidence,
    EvidenceInvalidError,
    EvidenceKind,
    MintRefusedError,
    TokenRejectedError,
)
from governd_client.testing import FakeGovernd, status_of

AGENT = "spiffe://example.org/agent/test"
TOOLS = "spiffe://example.org/agent/tools"
LOGIN = Evidence(EvidenceKind.ACCESS_TOKEN, "secret.access.token")
SEARCH = BoundRequest.of("POST", "https://tools.example.org/search")


@pytest.fixture(params=["memory", "wire"])
def client(request: pytest.FixtureRequest, governd: FakeGovernd, socket: str) -> Iterator[Client]:
    memory = request.param == "memory"
    with Client(socket, port=governd.port() if memory else None, timeout=5.0) as made:
        yield made


@pytest.fixture(params=["memory", "wire"])
async def async_client(
    request: pytest.FixtureRequest, governd: FakeGovernd, tmp_path: Path
) -> AsyncIterator[AsyncClient]:
    with governd.serve(tmp_path / "governd.sock") as path:
        memory = request.param == "memory"
        port = governd.async_port() if memory else None
        async with AsyncClient(path, port=port, timeout=5.0) as made:
            yield made


def test_a_token_is_minted_verified_and_extended(governd: FakeGovernd, client: Client) -> None:
    with pytest.raises(MintRefusedError) as raised:
        client.delegation.mint(TOOLS, LOGIN)
    assert raised.value.reason == "MINT_REFUSED"
    governd.mints = lambda _: True
    token = client.delegation.mint(TOOLS, LOGIN, request=SEARCH)
    found = client.delegation.verify(token.token, request=SEARCH, peer=AGENT)
    assert (found.actors, found.binding) == ((AGENT,), Binding.REQUEST)
    assert client.delegation.extend("spiffe://example.org/agent/files", found).token
    never = dataclasses.replace(found, token=client.delegation.mint(TOOLS, LOGIN).token)
    with pytest.raises(EvidenceInvalidError):
        client.delegation.extend("spiffe://example.org/agent/files", never)
    with pytest.raises(TokenRejectedError):
        client.delegation.verify("another", request=SEARCH, peer=AGENT)


async def test_an_asynchronous_client_does_the_same(
    governd: FakeGovernd, async_client: AsyncClient
) -> None:
    ask = async_client.delegation
    with pytest.raises(MintRefusedError):
        await ask.mint(TOOLS, LOGIN)
    governd.mints = lambda _: True
    token = await ask.mint(TOOLS, LOGIN, request=SEARCH)
    found = await ask.verify(token.token, request=SEARCH, peer=AGENT)
    assert (found.actors, found.binding) == ((AGENT,), Binding.REQUEST)
    assert (await ask.extend("spiffe://example.org/agent/files", found)).token
    with pytest.raises(TokenRejectedError):
        await ask.verify("another", request=SEARCH, peer=AGENT)


def test_why_nothing_is_minted_is_told(governd: FakeGovernd, client: Client) -> None:
    governd.mints = lambda _: True
    governd.refusals["Mint"] = status_of(
        "PERMISSION_DENIED", "EVIDENCE_INVALID", rule="audience", field="evidence"
    )
    with pytest.raises(EvidenceInvalidError) as raised:
        client.delegation.mint(TOOLS, LOGIN)
    assert (raised.value.field, raised.value.metadata["rule"]) == ("evidence", "audience")


def test_a_card_is_registered_and_known_then(client: Client) -> None:
    with pytest.raises(AgentUnknownError):
        client.get_agent(AGENT)
    agent = client.register_agent(b"{}")
    assert agent.spiffe_id == AGENT
    assert client.get_agent(AGENT) == agent


async def test_an_asynchronous_client_registers_the_same(
    governd: FakeGovernd, async_client: AsyncClient
) -> None:
    agent = await async_client.register_agent(b"{}")
    assert await async_client.get_agent() == agent
    governd.refusals["RegisterAgent"] = status_of(
        "INVALID_ARGUMENT", "CARD_INVALID", field="card_json.skills"
    )
    with pytest.raises(CardInvalidError) as raised:
        await async_client.register_agent(b"{}")
    assert raised.value.field == "card_json.skills"
