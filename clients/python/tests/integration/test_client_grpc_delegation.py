"""Tokens over real gRPC: sent by client interceptors, taken by server interceptors."""

import asyncio
import base64
import hashlib
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent import futures
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import grpc
import pytest

from governd_client import (
    Acceptance,
    ActingAs,
    AsyncActingAs,
    AsyncClient,
    Client,
    Evidence,
    EvidenceKind,
    NoDelegationError,
    Question,
    current_delegation,
)
from governd_client.grpc_client import ActingAsInterceptor, acting_as_interceptors
from governd_client.grpc_server import AsyncPolicyInterceptor, PolicyInterceptor
from governd_client.grpc_status import servers_status
from governd_client.testing import FakeGovernd, deny, permit, status_of

CALLER = "spiffe://example.org/agent/writer"
SELF = "spiffe://example.org/agent/server"
ORIGIN = "https://server.example.org"
KINDS = ["unary_unary", "unary_stream", "stream_unary", "stream_stream"]
LOGIN = Evidence(EvidenceKind.ID_TOKEN, "secret.id.token")
TOOK = Acceptance(origin=ORIGIN)
Start = Callable[..., Any]


def who() -> bytes:
    delegation = current_delegation()
    return f"{delegation.user} by {delegation.actors[0]}".encode() if delegation else b"nobody"


def one(_request: object, _context: object) -> bytes:
    return who()


def many(_request: object, _context: object) -> Iterator[bytes]:
    yield who()
    yield who()


async def async_one(request: object, context: object) -> bytes:
    return one(request, context)


async def async_many(request: object, context: object) -> AsyncIterator[bytes]:
    for each in many(request, context):
        await asyncio.sleep(0)
        yield each


def serve(server: Any, single: Any, several: Any) -> None:
    handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        "unary_unary": grpc.unary_unary_rpc_method_handler(single),
        "unary_stream": grpc.unary_stream_rpc_method_handler(several),
        "stream_unary": grpc.stream_unary_rpc_method_handler(single),
        "stream_stream": grpc.stream_stream_rpc_method_handler(several),
    }
    generic = grpc.method_handlers_generic_handler("service", handlers)
    server.add_generic_rpc_handlers((generic,))


@pytest.fixture(params=["sync", "async"])
async def start(
    request: pytest.FixtureRequest, governd: FakeGovernd, tmp_path: Path
) -> AsyncIterator[Start]:
    """Starts a server of either kind that takes tokens; gives its address."""
    governd.mints, governd.spiffe_id = (lambda _: True), CALLER
    governd.rule = lambda _: permit()
    target = f"unix://{tmp_path}/server.sock"
    asks: dict[str, Any] = {
        "question": lambda _: Question("agent/invoke", ("agent", SELF)),
        "caller": lambda _: CALLER,
    }
    started: list[Any] = []

    def listen(server: Any, credentials: grpc.ServerCredentials | None) -> str:
        if credentials is None:
            server.add_insecure_port(target)
            return target
        return f"localhost:{server.add_secure_port('localhost:0', credentials)}"

    async def start(
        took: Acceptance = TOOK, credentials: grpc.ServerCredentials | None = None
    ) -> str:
        server: Any
        if request.param == "sync":
            client = Client(port=governd.port())
            guard = PolicyInterceptor(client, delegation=took, **asks)
            server = grpc.server(futures.ThreadPoolExecutor(4), interceptors=[guard])
            serve(server, one, many)
            address = listen(server, credentials)
            server.start()
        else:
            other = AsyncClient(port=governd.async_port())
            async_guard = AsyncPolicyInterceptor(other, delegation=took, **asks)
            server = grpc.aio.server(interceptors=[async_guard])
            serve(server, async_one, async_many)
            address = listen(server, credentials)
            await server.start()
        started.append(server)
        return address

    yield start
    for server in started:
        stopping = server.stop(None)
        await stopping if request.param == "async" else stopping.wait()


async def call(
    channel: grpc.aio.Channel, kind: str, status: Callable[[Any], Any] = nullcontext, **extra: Any
) -> list[bytes]:
    invoke = getattr(channel, kind)(f"/service/{kind}")
    request: Any = iter([b"x"]) if kind.startswith("stream") else b"x"
    made = invoke(request, timeout=5, **extra)
    with status(made):
        if kind.endswith("_stream"):
            return [answer async for answer in made]
        return [await made]


def source(governd: FakeGovernd, **terms: Any) -> AsyncActingAs:
    client = AsyncClient(port=governd.async_port())
    return AsyncActingAs(client, audience=SELF, **{"evidence": lambda: LOGIN, **terms})


@pytest.mark.req("gi-3", part=True)
@pytest.mark.req("sdk-6", part=True)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_token_goes_with_each_call_and_the_handler_knows_in_whose_name_it_is(
    governd: FakeGovernd, start: Start, kind: str
) -> None:
    target = await start()
    interceptors = acting_as_interceptors(source(governd), origin=ORIGIN)
    async with grpc.aio.insecure_channel(target, interceptors=interceptors) as channel:
        answers = [*await call(channel, kind), *await call(channel, kind)]
    assert set(answers) == {f"alice by {CALLER}".encode()}
    assert [each.context.evidence.acting_as_token for each in governd.requests] == [
        "fake.1.token",
        "fake.2.token",
    ]
    assert current_delegation() is None


@pytest.mark.parametrize("kind", KINDS)
async def test_a_synchronous_channel_sends_them_too(
    governd: FakeGovernd, start: Start, kind: str
) -> None:
    target = await start()
    client = Client(port=governd.port())
    interceptor = ActingAsInterceptor(
        ActingAs(client, audience=SELF, evidence=lambda: LOGIN), origin=ORIGIN
    )

    def ask() -> list[bytes]:
        with grpc.insecure_channel(target) as plain:
            channel = grpc.intercept_channel(plain, interceptor)
            request: Any = iter([b"x"]) if kind.startswith("stream") else b"x"
            answers = getattr(channel, kind)(f"/service/{kind}")(
                request, timeout=5, metadata=(("acting-as-token", "stale"), ("x", "y"))
            )
            return list(answers) if kind.endswith("_stream") else [answers]

    assert set(await asyncio.to_thread(ask)) == {f"alice by {CALLER}".encode()}


REFUSED = [
    (),
    (("acting-as-token", "a.b.c"),),
    (("acting-as-token", "a.b.c"), ("acting-as-token", "a.b.c")),
    (("acting-as-token", "a.b.c,a.b.c"),),
    (("acting_as_token", "a.b.c"),),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("metadata", REFUSED)
async def test_a_call_whose_token_does_not_count_never_reaches_its_handler(
    governd: FakeGovernd, start: Start, kind: str, metadata: Any
) -> None:
    target = await start()
    async with grpc.aio.insecure_channel(target) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            # Not what grpc.aio makes of a refusal that comes while the request is written.
            await call(channel, kind, servers_status, metadata=metadata)
    assert raised.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert raised.value.details() == "the acting-as token was not taken"
    assert governd.requests == []


@pytest.mark.parametrize("kind", KINDS)
async def test_the_certificate_of_the_connection_goes_along_for_tokens_that_name_one(
    governd: FakeGovernd, start: Start, make_svid: Any, kind: str
) -> None:
    mine, theirs = make_svid(CALLER), make_svid(SELF)
    pair = (theirs.key, theirs.certificate)
    port = await start(credentials=grpc.ssl_server_credentials([pair], mine.certificate, True))
    credentials = grpc.ssl_channel_credentials(theirs.certificate, mine.key, mine.certificate)
    interceptors = acting_as_interceptors(source(governd), origin=ORIGIN)
    async with grpc.aio.secure_channel(port, credentials, interceptors=interceptors) as channel:
        assert await call(channel, kind)
    der = ssl.PEM_cert_to_DER_cert(mine.certificate.decode())
    thumbprint = base64.urlsafe_b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")
    assert governd.delegations[-1].peer_certificate == thumbprint  # type: ignore[union-attr]


async def test_attack_a_token_for_another_method(governd: FakeGovernd, start: Start) -> None:
    target = await start()
    interceptors = acting_as_interceptors(source(governd), origin="https://other.example.org")
    async with grpc.aio.insecure_channel(target, interceptors=interceptors) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call(channel, "unary_unary")
    assert raised.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_what_policy_denies_in_a_users_name_is_refused(
    governd: FakeGovernd, start: Start
) -> None:
    target = await start()
    governd.rule = lambda _: deny()
    interceptors = acting_as_interceptors(source(governd), origin=ORIGIN)
    async with grpc.aio.insecure_channel(target, interceptors=interceptors) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call(channel, "unary_unary")
    assert raised.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_a_governd_that_cannot_verify_is_no_answer(
    governd: FakeGovernd, start: Start
) -> None:
    target = await start()
    governd.refusals["Verify"] = status_of("RESOURCE_EXHAUSTED", "RATE_LIMITED")
    async with grpc.aio.insecure_channel(target) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call(channel, "unary_unary", metadata=(("acting-as-token", "a.b.c"),))
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_where_none_is_required_a_call_without_one_is_nobodys(start: Start) -> None:
    target = await start(Acceptance(origin=ORIGIN, required=False))
    async with grpc.aio.insecure_channel(target) as channel:
        assert await call(channel, "unary_stream") == [b"nobody", b"nobody"]


async def test_a_call_without_a_token_to_mint_is_not_made(
    governd: FakeGovernd, start: Start
) -> None:
    target = await start()
    interceptors = acting_as_interceptors(source(governd, evidence=None), origin=ORIGIN)
    async with grpc.aio.insecure_channel(target, interceptors=interceptors) as channel:
        with pytest.raises(NoDelegationError):
            await call(channel, "unary_unary")
