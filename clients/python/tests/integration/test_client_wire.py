"""Both clients against a real gRPC server on a Unix socket.

The server is ``FakeGovernd``: settable answers and no policy. What is shown here is the
wire: deadlines, absence, restart, errors and headers.
"""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from concurrent import futures
from pathlib import Path

import grpc
import grpc.aio
import pytest
from google.rpc import error_details_pb2, status_pb2

from governd_client import (
    AsyncClient,
    Client,
    DeadlineExceededError,
    Decision,
    GoverndError,
    LimitExceededError,
    MalformedAnswerError,
    Outcome,
    Question,
    Resource,
    UnavailableError,
)
from governd_client._proto.governd.v1 import policy_service_pb2, tool_service_pb2
from governd_client.channel import EVALUATE_STREAM, REGISTER_TOOLS, resolve
from governd_client.grpc_port import AsyncGrpcPort
from governd_client.testing import FakeGovernd, permit, status_of

LOG = Resource("tool", "git/git_log")
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


Ask = Callable[[str], Coroutine[None, None, Decision]]


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Asks one question of a governd, with a client of its own."""

    def in_a_thread(target: str) -> Decision:
        with Client(target, timeout=10) as client:
            return client.evaluate("tools/call", LOG)

    async def on_the_loop(target: str) -> Decision:
        async with AsyncClient(target, timeout=10) as client:
            return await client.evaluate("tools/call", LOG)

    if request.param == "sync":
        return lambda target: asyncio.to_thread(in_a_thread, target)
    return on_the_loop


async def both(
    target: str,
    *,
    timeout: float = 1,  # noqa: ASYNC109 - a gRPC deadline
    traceparent: Callable[[], str | None] | None = None,
) -> list[Decision | GoverndError]:
    """What either client makes of the same question."""
    outcomes: list[Decision | GoverndError] = []
    with Client(target, timeout=timeout, traceparent=traceparent) as client:
        try:
            outcomes.append(client.evaluate("tools/call", LOG))
        except GoverndError as error:
            outcomes.append(error)
    async with AsyncClient(target, timeout=timeout, traceparent=traceparent) as other:
        try:
            outcomes.append(await other.evaluate("tools/call", LOG))
        except GoverndError as error:
            outcomes.append(error)
    return outcomes


async def test_sync_and_async_give_the_same_answers(governd: FakeGovernd, socket: str) -> None:
    governd.rule = lambda _: permit(reasons=["p1"])
    first, second = await both(socket)
    assert isinstance(first, Decision)
    assert first == second
    assert first.allowed


async def test_deadline_passed_is_not_an_allow(governd: FakeGovernd, socket: str) -> None:
    release = threading.Event()
    governd.rule = lambda _: permit()
    governd.wait = lambda: release.wait(5)
    outcomes = await both(socket, timeout=0.1)
    release.set()
    assert [type(each) for each in outcomes] == [DeadlineExceededError] * 2


async def test_daemon_away_is_not_an_allow(tmp_path: Path) -> None:
    for each in await both(str(tmp_path / "nobody.sock"), timeout=0.2):
        assert isinstance(each, UnavailableError)


async def test_something_else_on_the_socket_is_not_an_allow(tmp_path: Path) -> None:
    server = grpc.server(futures.ThreadPoolExecutor(1))
    server.add_insecure_port(f"unix://{tmp_path}/other.sock")
    server.start()
    for each in await both(f"{tmp_path}/other.sock"):
        assert isinstance(each, GoverndError)
    server.stop(None).wait()


@pytest.mark.parametrize("answer", [b"\xff\xff\xff", b""], ids=["garbage", "empty"])
async def test_malformed_answer_is_not_an_allow(tmp_path: Path, answer: bytes) -> None:
    def handle(_request: bytes, _context: grpc.ServicerContext) -> bytes:
        return answer

    server = grpc.server(futures.ThreadPoolExecutor(1))
    handler = grpc.unary_unary_rpc_method_handler(handle, bytes, bytes)
    server.add_registered_method_handlers("governd.v1.PolicyService", {"Evaluate": handler})
    server.add_insecure_port(f"unix://{tmp_path}/odd.sock")
    server.start()
    outcomes = await both(f"{tmp_path}/odd.sock")
    server.stop(None).wait()
    assert [type(each) for each in outcomes] == [MalformedAnswerError] * 2


def test_restart_is_bridged_within_the_deadline(governd: FakeGovernd, tmp_path: Path) -> None:
    governd.rule = lambda _: permit()
    path = tmp_path / "governd.sock"
    asking = futures.ThreadPoolExecutor(1)
    with Client(str(path), timeout=5) as client:
        with governd.serve(path):
            assert client.evaluate("tools/call", LOG).allowed
        answer = asking.submit(client.evaluate, "tools/call", LOG)
        time.sleep(1)  # longer than all retries together: waiting for governd bridges it
        with governd.serve(path):
            assert answer.result(10).allowed


async def start(path: Path, evaluate: Callable[[], Awaitable[bytes]]) -> grpc.aio.Server:
    """A server like governd's own, with one answer to every question."""

    async def handle(_request: bytes, _context: object) -> bytes:
        return await evaluate()

    server = grpc.aio.server()
    handler = grpc.unary_unary_rpc_method_handler(handle, bytes, bytes)
    server.add_registered_method_handlers("governd.v1.PolicyService", {"Evaluate": handler})
    server.add_insecure_port(f"unix://{path}")
    await server.start()
    return server


async def test_a_question_that_a_governd_cancels_as_it_stops_is_asked_of_the_next(
    ask: Ask, tmp_path: Path
) -> None:
    """As in a rolling update, once the grace for calls in flight is over."""
    path, asked = tmp_path / "governd.sock", asyncio.Event()

    async def never() -> bytes:
        asked.set()
        await asyncio.Event().wait()
        return b""

    async def allow() -> bytes:
        return policy_service_pb2.EvaluateResponse(evaluation=permit()).SerializeToString()

    before = await start(path, never)
    asking = asyncio.create_task(ask(str(path)))
    await asked.wait()
    await before.stop(0)
    after = await start(path, allow)
    assert (await asking).allowed
    await after.stop(None)


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED])
async def test_what_a_governd_that_stops_says_is_retried(
    governd: FakeGovernd, socket: str, ask: Ask, code: grpc.StatusCode
) -> None:
    draining = status_pb2.Status(code=code.value[0], message="draining")
    answered = 0

    def drain_once() -> None:
        nonlocal answered
        answered += 1
        governd.status = draining if answered == 1 else None

    governd.rule = lambda _: permit()
    governd.wait = drain_once
    assert (await ask(socket)).allowed
    assert answered == 2


async def test_who_cancels_a_question_asks_it_no_second_time(
    governd: FakeGovernd, socket: str
) -> None:
    asked = threading.Semaphore(0)
    release = threading.Event()
    answered = 0

    def count() -> None:
        nonlocal answered
        answered += 1
        asked.release()
        release.wait(5)

    governd.wait = count
    async with AsyncClient(socket, timeout=5) as client:
        question = asyncio.create_task(client.evaluate("tools/call", LOG))
        await asyncio.to_thread(asked.acquire)
        question.cancel()
        with pytest.raises(asyncio.CancelledError):
            await question
        release.set()
        governd.rule = lambda _: permit()
        assert (await client.evaluate("tools/call", LOG)).allowed
    assert answered == 2, "the one that was cancelled, and the next"


async def test_error_details_cross_the_wire(governd: FakeGovernd, socket: str) -> None:
    governd.status = status_pb2.Status(code=8, message="slow down")
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromMilliseconds(125)
    info = error_details_pb2.ErrorInfo(reason="RATE_LIMITED", domain="governd")
    for detail in (info, retry):
        governd.status.details.add().Pack(detail)
    for each in await both(socket):
        assert isinstance(each, LimitExceededError)
        assert (each.reason, each.retry_after) == ("RATE_LIMITED", 0.125)


async def test_trace_context_goes_along(governd: FakeGovernd, socket: str) -> None:
    await both(socket, traceparent=lambda: TRACE)
    assert governd.metadata["traceparent"] == TRACE


async def test_batch_and_whoami_over_the_wire(governd: FakeGovernd, socket: str) -> None:
    governd.rule = lambda _: permit()
    async with AsyncClient(socket) as client:
        answers = await client.evaluate_batch([Question("tools/call", LOG)] * 2)
        identity = await client.whoami()
    assert [each.allowed for each in answers] == [True, True]
    assert identity.spiffe_id == governd.spiffe_id


async def test_closed_asynchronous_client_raises_a_typed_error(socket: str) -> None:
    client = AsyncClient(socket)
    await client.close()
    with pytest.raises(UnavailableError):
        await client.evaluate("tools/call", LOG)


async def test_closing_wakes_a_single_call(governd: FakeGovernd, socket: str) -> None:
    asked, release = threading.Event(), threading.Event()

    def hold() -> None:
        asked.set()
        release.wait(5)

    governd.wait = hold
    client, other = Client(socket, timeout=5), AsyncClient(socket, timeout=5)
    with futures.ThreadPoolExecutor(1) as pool:
        asking = pool.submit(client.evaluate, "tools/call", LOG)
        await asyncio.to_thread(asked.wait, 5)
        client.close()
        assert isinstance(asking.exception(), UnavailableError)
    asked.clear()
    waiting = asyncio.ensure_future(other.evaluate("tools/call", LOG))
    await asyncio.to_thread(asked.wait, 5)
    await other.close()
    with pytest.raises(UnavailableError):
        await waiting
    release.set()


async def test_a_cancelled_question_stays_cancelled(governd: FakeGovernd, socket: str) -> None:
    release = threading.Event()
    governd.wait = lambda: release.wait(5)
    async with AsyncClient(socket, timeout=5) as client:
        asking = asyncio.ensure_future(client.evaluate("tools/call", LOG))
        await asyncio.sleep(0.05)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        release.set()


def test_an_outcome_may_be_told_outside_the_event_loop(governd: FakeGovernd, socket: str) -> None:
    """``AsyncClient.report`` waits for nothing, so that any callback may call it."""
    governd.rule = lambda _: permit()
    with asyncio.Runner() as runner:

        async def ask() -> tuple[AsyncClient, Decision]:
            client = AsyncClient(socket)
            return client, await client.evaluate("tools/call", LOG)

        client, decision = runner.run(ask())
        client.report(decision, Outcome.SUCCEEDED)
        runner.run(client.close())
    assert [each.decision_id for each in governd.reports[0].outcomes] == [decision.decision_id]


async def refused(port: AsyncGrpcPort) -> set[str]:
    """Why calls fail that are refused while their request is still written."""
    registration = [tool_service_pb2.RegisterToolsRequest(server="x" * 50_000)] * 20

    async def questions() -> AsyncIterator[policy_service_pb2.EvaluateStreamRequest]:
        for _ in range(20):
            yield policy_service_pb2.EvaluateStreamRequest(
                questions=[policy_service_pb2.StreamedQuestion(traceparent="x" * 50_000)]
            )

    reasons = set()
    for _ in range(50):
        with pytest.raises(LimitExceededError) as raised:
            await port.send(REGISTER_TOOLS, registration, {"timeout": 5.0, "metadata": ()})
        reasons.add(raised.value.reason)
        with pytest.raises(LimitExceededError) as raised:
            [_ async for _ in port.stream(EVALUATE_STREAM, questions())]
        reasons.add(raised.value.reason)
    return reasons


async def test_a_refusal_amid_a_streamed_request_keeps_the_servers_status(
    governd: FakeGovernd, socket: str
) -> None:
    """grpc.aio would tell INTERNAL of many of them: the write that failed."""
    governd.status = status_of("RESOURCE_EXHAUSTED", "STREAMS_LIMITED")
    port = AsyncGrpcPort(resolve(socket))
    try:
        assert await refused(port) == {"STREAMS_LIMITED"}
    finally:
        await port.close()
