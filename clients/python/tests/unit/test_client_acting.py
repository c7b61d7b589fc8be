"""Tokens for the calls that a workload makes, over HTTP, and those that it receives so."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from governd_client import (
    Acceptance,
    ActingAs,
    AsyncActingAs,
    AsyncClient,
    Binding,
    Client,
    Delegation,
    Evidence,
    EvidenceKind,
    NoDelegationError,
    TokenRejectedError,
    UnavailableError,
    current_delegation,
)
from governd_client._proto.governd.v1 import delegation_service_pb2 as protos
from governd_client.acting import acting
from governd_client.http_client import ActingAsHook, AsyncActingAsHook
from governd_client.receiving import Arrived, asgi_target, receive, receive_async
from governd_client.testing import FakeGovernd, status_of

PLANNER = "spiffe://example.org/agent/planner"
TOOLS = "spiffe://example.org/agent/tools"
ORIGIN = "https://tools.example.org"
TOOK = Acceptance(origin=ORIGIN)
LOGIN = Evidence(EvidenceKind.ID_TOKEN, "secret.id.token")


@pytest.fixture
def client(governd: FakeGovernd) -> Client:
    """A client of a governd that mints, for the planner."""
    governd.mints = lambda _: True
    governd.spiffe_id = PLANNER
    return Client(port=governd.port())


@pytest.fixture
def source(client: Client) -> ActingAs:
    """Tokens for the tools agent, in the name of who logged in."""
    return ActingAs(client, audience=TOOLS, scopes=["search"], evidence=lambda: LOGIN)


class Server:
    """A server of HTTP that keeps what it is sent."""

    def __init__(self) -> None:
        self.seen: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.seen.append(request)
        if request.url.path == "/away":
            return httpx2.Response(307, headers={"Location": "https://evil.example/"})
        return httpx2.Response(200)

    def came(self, index: int = -1, *, peer: str = PLANNER, took: Acceptance = TOOK) -> Arrived:
        request = self.seen[index]
        target = request.url.raw_path.decode()
        return took.http(request.method, target, request.headers.raw, request.content, peer=peer)


def sending(server: Server, source: ActingAs) -> httpx2.Client:
    hook = ActingAsHook(source, origin=ORIGIN)
    transport = httpx2.MockTransport(server)
    return httpx2.Client(
        transport=transport, event_hooks={"request": [hook]}, follow_redirects=True
    )


@pytest.mark.req("gi-3", part=True)
def test_each_request_has_a_token_of_its_own_tied_to_its_body(
    client: Client, source: ActingAs
) -> None:
    server = Server()
    with sending(server, source) as http:
        http.post(f"{ORIGIN}/search?q=a%20b", json={"n": 1})
        http.post(f"{ORIGIN}/search?q=a%20b", json={"n": 1})
    for index in (0, 1):
        found = receive(client, TOOK, server.came(index))
        assert found is not None
        assert (found.actors, found.binding) == ((PLANNER,), Binding.BODY)


def test_a_body_that_is_streamed_is_tied_and_sent_whole(client: Client, source: ActingAs) -> None:
    server = Server()
    with sending(server, source) as http:
        http.post(f"{ORIGIN}/search", content=iter([b"one", b"two"]))
    assert server.seen[0].read() == b"onetwo"
    assert receive(client, TOOK, server.came()) is not None


async def test_an_asynchronous_client_sends_the_same(governd: FakeGovernd) -> None:
    governd.mints, governd.spiffe_id = (lambda _: True), PLANNER
    client = AsyncClient(port=governd.async_port())
    hook = AsyncActingAsHook(
        AsyncActingAs(client, audience=TOOLS, evidence=lambda: LOGIN), origin=ORIGIN
    )
    server = Server()

    async def parts() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    transport = httpx2.MockTransport(server)
    hooks: dict[str, list[Any]] = {"request": [hook]}
    async with httpx2.AsyncClient(transport=transport, event_hooks=hooks) as http:
        await http.post(f"{ORIGIN}/search", content=parts())
        await http.get("https://elsewhere.example/", headers={"Acting-As-Token": "x"})
    [first, second] = server.seen
    assert await first.aread() == b"onetwo"
    found = await receive_async(client, TOOK, server.came(0))
    assert found is not None
    assert found.binding is Binding.BODY
    assert "acting-as-token" not in second.headers


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "http://tools.example.org/",
        "https://tools.example.org:8443/",
        "https://tools.example.org.evil.example/",
    ],
)
def test_attack_a_token_never_goes_to_another_origin(source: ActingAs, elsewhere: str) -> None:
    server = Server()
    with sending(server, source) as http:
        http.get(elsewhere, headers={"Acting-As-Token": "stolen"})
    assert "acting-as-token" not in server.seen[0].headers


def test_attack_a_redirect_takes_no_token_along(source: ActingAs) -> None:
    server = Server()
    with sending(server, source) as http:
        http.post(f"{ORIGIN}/away", content=b"x")
    assert ["acting-as-token" in each.headers for each in server.seen] == [True, False]


def test_the_default_port_is_the_same_origin(client: Client, source: ActingAs) -> None:
    server = Server()
    with sending(server, source) as http:
        http.get(f"{ORIGIN}:443/search")
    assert receive(client, TOOK, server.came()) is not None


@pytest.mark.parametrize(
    "origin",
    [
        "tools.example.org",
        "ftp://tools.example.org",
        "https://",
        "https://a@tools.example.org",
        "https://tools.example.org/mcp",
        "https://tools.example.org?q",
    ],
)
def test_what_is_no_origin_is_refused_when_it_is_configured(origin: str, source: ActingAs) -> None:
    with pytest.raises(ValueError, match="origin"):
        ActingAsHook(source, origin=origin)
    with pytest.raises(ValueError, match="origin"):
        Acceptance(origin=origin)


def test_a_request_without_a_token_to_mint_is_not_sent(client: Client) -> None:
    server = Server()
    nobody = ActingAs(client, audience=TOOLS)
    with sending(server, nobody) as http, pytest.raises(NoDelegationError):
        http.get(f"{ORIGIN}/search")
    assert server.seen == []


def received(client: Client, source: ActingAs) -> Delegation:
    token = source.token().token
    return client.delegation.verify(token, peer=PLANNER, least_binding=Binding.CALLER)


@pytest.mark.req("gi-3", part=True)
def test_what_was_received_is_extended_for_what_is_called_then(
    client: Client, source: ActingAs, governd: FakeGovernd
) -> None:
    delegation = received(client, source)
    governd.spiffe_id = TOOLS
    further = ActingAs(client, audience="spiffe://example.org/agent/files", scopes=["search"])
    with acting(delegation):
        assert current_delegation() is delegation
        token = further.token().token
    found = client.delegation.verify(token, peer=TOOLS, least_binding=Binding.CALLER)
    assert found.actors == (TOOLS, PLANNER)
    assert current_delegation() is None


def test_attack_a_server_with_evidence_of_its_own_stays_in_the_callers_name(
    client: Client, source: ActingAs, governd: FakeGovernd
) -> None:
    with acting(received(client, source)):
        source.token()
    assert isinstance(governd.delegations[-1], protos.ExtendRequest)


async def test_tasks_that_run_at_once_act_each_in_its_own_name(
    client: Client, source: ActingAs
) -> None:
    both = [received(client, source), received(client, source)]

    async def handle(delegation: Delegation) -> Delegation | None:
        with acting(delegation):
            await asyncio.sleep(0)
            return current_delegation()

    assert await asyncio.gather(*map(handle, both)) == both
    assert current_delegation() is None


def came(token: str | None) -> Arrived:
    return Arrived(token, TOOK.bound("GET", "/"), PLANNER)


async def test_a_request_without_a_token_is_refused_unless_told_otherwise(
    client: Client, governd: FakeGovernd
) -> None:
    other = AsyncClient(port=governd.async_port())
    relaxed = Acceptance(origin=ORIGIN, required=False)
    assert receive(client, relaxed, came(None)) is None
    assert await receive_async(other, relaxed, came(None)) is None
    with pytest.raises(TokenRejectedError):
        receive(client, TOOK, came(None))
    with pytest.raises(TokenRejectedError):
        await receive_async(other, TOOK, came(None))


async def test_a_token_that_cannot_be_verified_does_not_count(
    client: Client, governd: FakeGovernd
) -> None:
    other = AsyncClient(port=governd.async_port())
    relaxed = Acceptance(origin=ORIGIN, required=False)
    governd.refusals["Verify"] = status_of("INVALID_ARGUMENT", "REQUEST_INVALID")
    with pytest.raises(TokenRejectedError):
        receive(client, relaxed, came("a.b.c"))
    with pytest.raises(TokenRejectedError):
        await receive_async(other, relaxed, came("a.b.c"))
    governd.refusals["Verify"] = status_of("UNAVAILABLE", "DRAINING")
    with pytest.raises(UnavailableError):
        receive(client, relaxed, came("a.b.c"))


def test_attack_a_request_names_the_authority_itself() -> None:
    with pytest.raises(TokenRejectedError):
        TOOK.bound("GET", "https://evil.example/")


def test_without_an_origin_nothing_is_seen_of_a_request() -> None:
    assert Acceptance(origin="").bound("POST", "/mcp") is None


def test_how_a_request_came_is_printed_without_the_token() -> None:
    assert "a.b.c" not in repr(came("a.b.c"))


@pytest.mark.parametrize(
    ("scope", "target"),
    [
        ({"raw_path": b"/a%20b", "query_string": b"q=%41"}, "/a%20b?q=%41"),
        ({"path": "/a b", "query_string": b""}, "/a%20b"),
    ],
)
def test_the_target_is_told_as_it_came(scope: dict[str, Any], target: str) -> None:
    assert asgi_target(scope) == target
