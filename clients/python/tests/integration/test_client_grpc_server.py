"""gRPC servers that ask governd about what they received, for all four kinds of call."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import status_pb2

from governd_client import AsyncClient, CallerUnknownError, Client, Question
from governd_client.grpc_server import (
    DECISION_ID,
    AsyncPolicyInterceptor,
    PolicyInterceptor,
    Rule,
)
from governd_client.testing import DECISION_ID as SOME_ID
from governd_client.testing import FakeGovernd, deny, permit

CALLER = "spiffe://example.org/agent/writer"
SELF = "spiffe://example.org/agent/server"
KINDS = ["unary_unary", "unary_stream", "stream_unary", "stream_stream"]
Invoke = Callable[[str], Awaitable[list[bytes]]]


def asks(details: grpc.HandlerCallDetails) -> Question | Rule | None:
    """Asks about the service; health passes; nothing is to be asked about the rest."""
    _, service, method = details.method.split("/")
    if service == "health":
        return Rule.UNSAFE_UNGOVERNED
    if method == "broken":
        message = "hidden: broken mapping"
        raise RuntimeError(message)
    return Question("agent/invoke", ("agent", SELF)) if method in KINDS else None


class Caller:
    """Who calls, as a test sets it."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.spiffe_id: Any = CALLER

    def __call__(self, _context: object) -> str:
        if self.error is not None:
            raise self.error
        spiffe_id: str = self.spiffe_id
        return spiffe_id


class Handlers:
    """Handlers of all kinds, which note that they ran."""

    def __init__(self) -> None:
        self.ran = 0

    def one(self, _request: object, _context: object) -> bytes:
        self.ran += 1
        return b"1"

    def many(self, _request: object, _context: object) -> Iterator[bytes]:
        self.ran += 1
        yield b"1"
        yield b"2"

    async def async_one(self, _request: object, _context: object) -> bytes:
        return self.one(_request, _context)

    async def async_many(self, _request: object, _context: object) -> AsyncIterator[bytes]:
        for each in self.many(_request, _context):
            yield each

    async def async_write(self, _request: object, context: Any) -> None:
        for each in self.many(_request, context):
            await context.write(each)


def register(server: Any, one: Any, many: Any, many_again: Any) -> None:
    """Serves the handlers under the names of their kinds."""
    handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        "unary_unary": grpc.unary_unary_rpc_method_handler(one),
        "unary_stream": grpc.unary_stream_rpc_method_handler(many),
        "stream_unary": grpc.stream_unary_rpc_method_handler(one),
        "stream_stream": grpc.stream_stream_rpc_method_handler(many_again),
        "unasked": grpc.unary_unary_rpc_method_handler(one),
        "broken": grpc.unary_unary_rpc_method_handler(one),
    }
    for service in ("service", "health"):
        generic = grpc.method_handlers_generic_handler(service, handlers)
        server.add_generic_rpc_handlers((generic,))


@pytest.fixture
def caller() -> Caller:
    """A known caller, until a test says otherwise."""
    return Caller()


@pytest.fixture
def handlers() -> Handlers:
    """Handlers that have not run."""
    return Handlers()


@pytest.fixture(params=["sync", "async"])
async def invoke(
    request: pytest.FixtureRequest,
    governd: FakeGovernd,
    caller: Caller,
    handlers: Handlers,
    tmp_path: Path,
) -> AsyncIterator[Invoke]:
    """Calls a method of a server of either kind and gives its answers."""
    target = f"unix://{tmp_path}/server.sock"
    server: Any
    if request.param == "sync":
        guard = PolicyInterceptor(Client(port=governd.port()), question=asks, caller=caller)
        server = grpc.server(futures.ThreadPoolExecutor(2), interceptors=[guard])
        register(server, handlers.one, handlers.many, handlers.many)
        server.add_insecure_port(target)
        server.start()
    else:
        client = AsyncClient(port=governd.async_port())
        other = AsyncPolicyInterceptor(client, question=asks, caller=caller)
        server = grpc.aio.server(interceptors=[other])
        register(server, handlers.async_one, handlers.async_many, handlers.async_write)
        server.add_insecure_port(target)
        await server.start()
    with grpc.insecure_channel(target) as channel:

        def send(path: str) -> list[bytes]:
            kind = path.rpartition("/")[2]
            name = kind if kind in KINDS else "unary_unary"
            payload: Any = iter([b"a"]) if name.startswith("stream") else b"a"
            answer = getattr(channel, name)(path)(payload, timeout=5)
            return list(answer) if name.endswith("stream") else [answer]

        async def call(path: str) -> list[bytes]:
            # A `grpc.aio` stream that is refused while it still writes loses the status
            # (INTERNAL, "execute_batch"), so this caller is a thread's.
            return await asyncio.to_thread(send, path)

        yield call
    stopped = server.stop(None)
    if request.param == "async":
        await stopped
    else:
        stopped.wait()


@pytest.mark.parametrize("kind", KINDS)
async def test_permitted_call_reaches_its_handler(
    governd: FakeGovernd, handlers: Handlers, invoke: Invoke, kind: str
) -> None:
    governd.rule = lambda _: permit()
    answers = await invoke(f"/service/{kind}")
    assert answers == ([b"1", b"2"] if kind.endswith("stream") else [b"1"])
    assert handlers.ran == 1
    [asked] = governd.requests
    assert (asked.action.name, asked.resource.id) == ("agent/invoke", SELF)
    assert asked.subject.id == CALLER


@pytest.mark.parametrize("kind", KINDS)
async def test_denied_call_never_reaches_its_handler_and_tells_no_policy(
    governd: FakeGovernd, handlers: Handlers, invoke: Invoke, kind: str
) -> None:
    governd.rule = lambda _: deny(reasons=["secret-policy"])
    with pytest.raises(grpc.RpcError) as caught:
        await invoke(f"/service/{kind}")
    trailing: Any = caught.value.trailing_metadata()
    assert handlers.ran == 0
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert caught.value.details() == "denied by policy"
    assert dict(trailing)[DECISION_ID] == SOME_ID
    assert "secret-policy" not in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
async def test_governd_away_refuses_and_hides_why(
    governd: FakeGovernd, handlers: Handlers, invoke: Invoke, kind: str
) -> None:
    governd.status = status_pb2.Status(code=14, message="hidden")
    with pytest.raises(grpc.RpcError) as caught:
        await invoke(f"/service/{kind}")
    assert handlers.ran == 0
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("error", [CallerUnknownError("hidden"), RuntimeError("hidden")])
@pytest.mark.parametrize("kind", KINDS)
async def test_unknown_caller_is_refused_without_asking(
    handlers: Handlers, caller: Caller, invoke: Invoke, kind: str, error: Exception
) -> None:
    caller.error = error
    with pytest.raises(grpc.RpcError) as caught:
        await invoke(f"/service/{kind}")
    # A deny would be PERMISSION_DENIED.
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert "hidden" not in str(caught.value)
    assert handlers.ran == 0


@pytest.mark.parametrize("spiffe_id", [None, "", CALLER.encode(), 0])
async def test_caller_that_is_no_text_is_never_taken_for_the_server_itself(
    governd: FakeGovernd, handlers: Handlers, caller: Caller, invoke: Invoke, spiffe_id: object
) -> None:
    governd.rule = lambda _: permit()
    caller.spiffe_id = spiffe_id
    with pytest.raises(grpc.RpcError) as caught:
        await invoke("/service/unary_unary")
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert (handlers.ran, governd.requests) == (0, [])


@pytest.mark.parametrize("method", ["unasked", "broken"])
async def test_call_without_a_question_is_refused(
    governd: FakeGovernd, handlers: Handlers, invoke: Invoke, method: str
) -> None:
    governd.rule = lambda _: permit()
    with pytest.raises(grpc.RpcError) as caught:
        await invoke(f"/service/{method}")
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert "hidden" not in str(caught.value)
    assert (handlers.ran, governd.requests) == (0, [])


async def test_only_what_is_named_unsafe_passes_undecided(
    governd: FakeGovernd, handlers: Handlers, invoke: Invoke
) -> None:
    assert await invoke("/health/unary_unary") == [b"1"]
    assert governd.requests == []


async def test_unknown_method_stays_unimplemented(invoke: Invoke) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        await invoke("/nowhere/unary_unary")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
