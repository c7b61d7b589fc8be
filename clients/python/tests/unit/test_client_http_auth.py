"""Requests of HTTP to an upstream: each shows a token, and only the upstream is shown it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import httpx
import httpx2
import pytest

from governd_client import (
    AsyncClient,
    Client,
    Delegation,
    Evidence,
    EvidenceKind,
    InvalidRequestError,
    MintRefusedError,
    NoDelegationError,
    current_evidence,
)
from governd_client._proto.governd.v1 import token_service_pb2
from governd_client.acting import acting
from governd_client.delegation import Binding
from governd_client.http_auth import AsyncGoverndAuth, GoverndAuth
from governd_client.testing import FakeGovernd, FakeUpstream, status_of

ORIGIN = "https://crm.example.org"
LOGIN = Evidence(EvidenceKind.ID_TOKEN, "secret.id.token")
CRM = FakeUpstream(resource=f"{ORIGIN}/mcp", scopes=("read", "write"), for_user=True)
JOBS = FakeUpstream(audience="jobs")
REFUSED = 'Bearer realm="crm", error="invalid_token", error_description="revoked"'
Send = Callable[..., Awaitable[int]]


class Upstream:
    """A server that takes tokens, but not those that it revoked.

    Attributes:
        shown: The ``Authorization`` of each request, as ``<path> <header>``.
        bodies: Their bodies.
        revoked: Tokens that it takes no more.
        challenge: What it says of those.
        location: Where it redirects everybody to who asks for ``/away``.
    """

    def __init__(self, library: Any) -> None:
        self.library = library
        self.shown: list[str] = []
        self.bodies: list[bytes] = []
        self.revoked: set[str] = set()
        self.challenge = REFUSED
        self.location = "https://evil.example/steal"

    def answer(self, request: Any, body: bytes) -> Any:
        shown = request.headers.get("Authorization", "")
        self.shown.append(f"{request.url.host} {shown}".strip())
        self.bodies.append(body)
        if request.url.path == "/away":
            return self.library.Response(307, headers={"Location": self.location})
        if shown.removeprefix("Bearer ") in self.revoked or request.url.path == "/steal":
            return self.library.Response(401, headers={"WWW-Authenticate": self.challenge})
        return self.library.Response(200)


def transport_to(upstream: Upstream) -> Any:
    """Reads a body as it is sent, and keeps nothing of it as a mock of the library's would."""
    library = upstream.library
    both: Any = (library.BaseTransport, library.AsyncBaseTransport)

    class Transport(*both):  # type: ignore[misc]  # of either library
        def handle_request(self, request: Any) -> Any:
            return upstream.answer(request, b"".join(request.stream))

        async def handle_async_request(self, request: Any) -> Any:
            return upstream.answer(request, b"".join([part async for part in request.stream]))

    return Transport()


@pytest.fixture(params=["httpx", "httpx2"])
def upstream(request: pytest.FixtureRequest, governd: FakeGovernd) -> Upstream:
    """An upstream that either library reaches."""
    governd.upstreams = {"crm": CRM, "jobs": JOBS}
    return Upstream({"httpx": httpx, "httpx2": httpx2}[request.param])


@pytest.fixture(params=["sync", "async"])
def send(request: pytest.FixtureRequest, upstream: Upstream, governd: FakeGovernd) -> Send:
    """Sends a request with either client, and gives the status of the answer."""
    library = upstream.library

    async def send(
        url: str = f"{ORIGIN}/mcp", name: str = "crm", *, body: Any = b"", **terms: Any
    ) -> int:
        terms = {"evidence": lambda: LOGIN, **terms}
        transport = transport_to(upstream)
        if request.param == "sync":
            auth = GoverndAuth(Client(port=governd.port()), name, **terms)
            with library.Client(transport=transport, auth=auth, follow_redirects=True) as http:
                return int(http.post(url, content=body).status_code)
        other = AsyncGoverndAuth(AsyncClient(port=governd.async_port()), name, **terms)
        async with library.AsyncClient(
            transport=transport, auth=other, follow_redirects=True
        ) as http:
            content = parts(body) if isinstance(body, Iterator) else body
            return int((await http.post(url, content=content)).status_code)

    return send


async def parts(body: Iterator[bytes]) -> AsyncIterator[bytes]:
    for each in body:
        yield each


async def test_governd_is_asked_for_each_request(
    governd: FakeGovernd, upstream: Upstream, send: Send
) -> None:
    assert [await send(scopes=["read"]), await send(scopes=["read"])] == [200, 200]
    assert upstream.shown == ["crm.example.org Bearer fake.crm.1"] * 2
    assert [list(each.scopes) for each in asked(governd)] == [["read"]] * 2
    assert [each.evidence.id_token for each in asked(governd)] == [LOGIN.token] * 2


def asked(governd: FakeGovernd) -> list[token_service_pb2.GetTokenRequest]:
    return [each for each in governd.tokens if isinstance(each, token_service_pb2.GetTokenRequest)]


async def test_a_token_that_the_upstream_refuses_is_renewed_once(
    governd: FakeGovernd, upstream: Upstream, send: Send
) -> None:
    upstream.revoked = {"fake.crm.1"}
    assert await send() == 200
    assert upstream.shown == [f"crm.example.org Bearer fake.crm.{each}" for each in (1, 2)]
    assert [each.renew for each in asked(governd)] == [False, True]
    upstream.revoked |= {"fake.crm.2", "fake.crm.3"}
    assert await send() == 401
    assert len(upstream.shown) == 4


async def test_a_body_that_is_streamed_is_sent_whole_both_times(
    upstream: Upstream, send: Send
) -> None:
    upstream.revoked = {"fake.crm.1"}
    assert await send(body=iter([b"one", b"two"])) == 200
    assert upstream.bodies == [b"onetwo"] * 2


@pytest.mark.parametrize(
    "challenge",
    [
        "Bearer error=invalid_token",
        'Basic realm="x", Bearer realm="crm", error="invalid_token"',
        'bearer scope="a", ERROR = "invalid_token"',
    ],
)
async def test_it_is_told_in_several_ways(upstream: Upstream, send: Send, challenge: str) -> None:
    upstream.revoked, upstream.challenge = {"fake.crm.1"}, challenge
    assert await send() == 200


@pytest.mark.parametrize(
    "challenge",
    [
        "Bearer",
        'Bearer error="insufficient_scope"',
        'Bearer error="invalid_token_type"',
        'Bearer error_description="error=invalid_tokens"',
    ],
)
async def test_another_refusal_is_an_answer(
    governd: FakeGovernd, upstream: Upstream, send: Send, challenge: str
) -> None:
    upstream.revoked, upstream.challenge = {"fake.crm.1"}, challenge
    assert await send() == 401
    assert len(upstream.shown) == len(governd.tokens) == 1


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/mcp",
        "http://crm.example.org/mcp",
        "https://crm.example.org:8443/mcp",
        "https://crm.example.org.evil.example/mcp",
    ],
)
async def test_attack_a_token_never_goes_to_another_origin(
    governd: FakeGovernd, upstream: Upstream, send: Send, elsewhere: str
) -> None:
    assert await send(elsewhere) == 200
    assert await send(elsewhere, origin=ORIGIN) == 200
    assert not any("Bearer" in each for each in upstream.shown)
    assert len(governd.tokens) == 1, "where the origin is known, nobody is asked"


async def test_attack_a_redirect_takes_no_token_along_and_its_target_renews_none(
    governd: FakeGovernd, upstream: Upstream, send: Send
) -> None:
    assert await send(f"{ORIGIN}/away") == 401
    assert upstream.shown == ["crm.example.org Bearer fake.crm.1", "evil.example"]
    assert len(governd.tokens) == 1


async def test_a_request_that_gets_no_token_is_not_sent(
    governd: FakeGovernd, upstream: Upstream, send: Send
) -> None:
    governd.refusals["GetToken"] = status_of("PERMISSION_DENIED", "MINT_REFUSED")
    with pytest.raises(MintRefusedError):
        await send()
    assert upstream.shown == []


async def test_without_a_resource_the_origin_has_to_be_said(upstream: Upstream, send: Send) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        await send(name="jobs", evidence=None)
    assert raised.value.field == "origin"
    assert upstream.shown == []
    assert await send(name="jobs", evidence=None, origin=ORIGIN) == 200
    assert upstream.shown == ["crm.example.org Bearer fake.jobs.1"]


def test_what_is_no_origin_is_refused_when_it_is_configured(governd: FakeGovernd) -> None:
    client = Client(port=governd.port())
    for origin in ("crm.example.org", "https://crm.example.org/mcp", ""):
        with pytest.raises(ValueError, match="origin"):
            GoverndAuth(client, "crm", origin=origin)


@pytest.fixture
def delegation(governd: FakeGovernd) -> Delegation:
    """That of a request which is being handled."""
    governd.mints = lambda _: True
    client, peer = Client(port=governd.port()), governd.spiffe_id
    token = client.delegation.mint("spiffe://example.org/agent/tools", LOGIN).token
    return client.delegation.verify(token, peer=peer, least_binding=Binding.CALLER)


async def test_attack_a_server_with_evidence_of_its_own_stays_in_the_callers_name(
    governd: FakeGovernd, upstream: Upstream, send: Send, delegation: Delegation
) -> None:
    with acting(delegation):
        assert await send() == 200
    assert [each.evidence.acting_as_token for each in asked(governd)] == [delegation.token]


async def test_who_has_no_evidence_of_its_own_acts_for_who_called_it_or_not_at_all(
    governd: FakeGovernd, upstream: Upstream, send: Send, delegation: Delegation
) -> None:
    with acting(delegation):
        assert await send(evidence=current_evidence) == 200
    with pytest.raises(NoDelegationError):
        await send(evidence=current_evidence)
    assert len(upstream.shown) == 1


async def test_requests_at_once_show_each_its_own_users_token(
    governd: FakeGovernd, upstream: Upstream
) -> None:
    """One client of HTTP for all requests: what one shows is not what another shows."""
    user: Any = asyncio.current_task
    library, client = upstream.library, AsyncClient(port=governd.async_port())
    auth = AsyncGoverndAuth(
        client, "crm", evidence=lambda: Evidence(EvidenceKind.ID_TOKEN, user().get_name())
    )
    async with library.AsyncClient(transport=transport_to(upstream), auth=auth) as http:
        works = [http.get(f"{ORIGIN}/{each}") for each in ("alice", "carol")]
        tasks = [
            asyncio.create_task(work, name=name)
            for work, name in zip(works, ("alice", "carol"), strict=True)
        ]
        await asyncio.gather(*tasks)
    assert len(set(upstream.shown)) == 2
    assert {each.evidence.id_token for each in asked(governd)} == {"alice", "carol"}
