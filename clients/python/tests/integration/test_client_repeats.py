"""Calls that come back when governd said so, over a real gRPC server on a Unix socket."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent import futures

import pytest
from google.rpc import error_details_pb2, status_pb2

from governd_client import (
    AsyncClient,
    Client,
    Decision,
    Evidence,
    EvidenceKind,
    GoverndError,
    Resource,
    UnavailableError,
)
from governd_client.testing import FakeGovernd, permit, status_of

LOG = Resource("tool", "git/git_log")
AFTER = 0.1
"""What governd says; its own retries are over sooner if it says so five times."""
Ask = Callable[..., Awaitable[Decision]]
Wait = Callable[[Callable[[], bool]], Awaitable[None]]


def not_yet(seconds: float = AFTER, code: str = "UNAVAILABLE") -> status_pb2.Status:
    status = status_of(code, "IDENTITY_UNAVAILABLE")
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromMilliseconds(round(seconds * 1000))
    status.details.add().Pack(retry)
    return status


class Asked:
    """Has a governd that answers only after so many questions; counts them."""

    def __init__(self, governd: FakeGovernd, refuses: int, status: status_pb2.Status) -> None:
        self.count = 0
        self._governd, self._refuses, self._status = governd, refuses, status
        governd.wait = self
        governd.rule = lambda _: permit()

    def __call__(self) -> None:
        self.count += 1
        self._governd.status = self._status if self.count <= self._refuses else None


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest, socket: str) -> Ask:
    """Asks one question, with either client."""

    def in_a_thread(timeout: float) -> Decision:
        with Client(socket, timeout=timeout) as client:
            return client.evaluate("tools/call", LOG)

    async def on_the_loop(timeout: float) -> Decision:  # noqa: ASYNC109 - a gRPC deadline
        async with AsyncClient(socket, timeout=timeout) as client:
            return await client.evaluate("tools/call", LOG)

    if request.param == "sync":
        return lambda timeout: asyncio.to_thread(in_a_thread, timeout)
    return on_the_loop


@pytest.mark.req("lc-5", part=True)
async def test_a_governd_without_an_answer_yet_is_asked_for_longer_than_grpc_itself_asks(
    governd: FakeGovernd, ask: Ask
) -> None:
    asked = Asked(governd, 12, not_yet())
    assert (await ask(60)).allowed
    assert asked.count == 13


async def test_a_call_with_less_time_than_it_is_to_wait_has_governds_error(
    governd: FakeGovernd, ask: Ask
) -> None:
    asked = Asked(governd, 1_000, not_yet(3600))
    with pytest.raises(UnavailableError) as raised:
        await ask(60)
    assert (raised.value.reason, raised.value.retry_after) == ("IDENTITY_UNAVAILABLE", 3600)
    assert asked.count == 5, "gRPC's own attempts"


async def test_a_refusal_is_asked_for_once(governd: FakeGovernd, ask: Ask) -> None:
    asked = Asked(governd, 1_000, not_yet(code="PERMISSION_DENIED"))
    with pytest.raises(GoverndError):
        await ask(60)
    assert asked.count == 1


def test_closing_wakes_a_call_that_waits_to_come_back(governd: FakeGovernd, socket: str) -> None:
    asked = threading.Event()
    governd.status, governd.wait = not_yet(30), asked.set
    client = Client(socket, timeout=60)
    with futures.ThreadPoolExecutor(1) as pool:
        asking = pool.submit(client.evaluate, "tools/call", LOG)
        assert asked.wait(10)
        client.close()
        assert isinstance(asking.exception(20), UnavailableError)


async def waiting(
    client: AsyncClient, governd: FakeGovernd, wait: Wait
) -> asyncio.Future[Decision]:
    """A question that was refused five times, and is to be asked again in half a minute."""
    asked = Asked(governd, 1_000, not_yet(30))
    asking = asyncio.ensure_future(client.evaluate("tools/call", LOG))
    await wait(lambda: asked.count == 5)
    await asyncio.sleep(0.05)  # until the last refusal is here
    assert not asking.done()
    return asking


async def test_closing_wakes_a_task_that_waits_to_come_back(
    governd: FakeGovernd, socket: str, wait: Wait
) -> None:
    client = AsyncClient(socket, timeout=60)
    asking = await waiting(client, governd, wait)
    await client.close()
    with pytest.raises(UnavailableError):
        await asyncio.wait_for(asking, 20)


async def test_who_cancels_a_task_that_waits_is_not_kept_waiting(
    governd: FakeGovernd, socket: str, wait: Wait
) -> None:
    async with AsyncClient(socket, timeout=60) as client:
        asking = await waiting(client, governd, wait)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(asking, 20)


def test_an_acting_as_token_is_never_asked_for_twice(governd: FakeGovernd, socket: str) -> None:
    asked = Asked(governd, 1, not_yet())
    login = Evidence(EvidenceKind.ID_TOKEN, "secret.id.token")
    with Client(socket, timeout=60) as client, pytest.raises(UnavailableError):
        client.delegation.mint("spiffe://example.org/agent/tools", login)
    assert asked.count == 1
