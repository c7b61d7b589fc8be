"""Reports in the background: whatever becomes of a call, no outcome is lost without a word."""

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest

from governd_client import AsyncClient, Client, Decision, DecisionCode, Outcome, tasks, threads
from governd_client.channel import REPORT_OUTCOME, CallTerms, Method, Stream
from governd_client.testing import FakeGovernd, permit, status_of

Open = Callable[..., Any]
Wait = Callable[[Callable[[], bool]], Awaitable[None]]
PERMIT = Decision("0123456789abcdef0123456789abcdef", DecisionCode.PERMITTED)


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch, governd: FakeGovernd) -> None:
    """Everything is permitted, and reported at once."""
    governd.rule = lambda _: permit()
    monkeypatch.setattr(threads, "INTERVAL_SECONDS", 0.01)
    monkeypatch.setattr(tasks, "INTERVAL_SECONDS", 0.01)


def outcomes(governd: FakeGovernd) -> int:
    return sum(len(report.outcomes) for report in governd.reports)


class Port:
    """A ``Client``'s port whose reports a test answers first."""

    def __init__(self, governd: FakeGovernd, first: Callable[[], object]) -> None:
        self._port = governd.port()
        self._first = first
        self.close = self._port.close
        self.send = self._port.send

    def call(self, method: Method[Any, Any], request: Any, terms: CallTerms) -> Any:
        if method is REPORT_OUTCOME:
            self._first()
        return self._port.call(method, request, terms)

    def stream(self, method: Method[Any, Any], requests: Iterator[Any]) -> Stream[Any]:
        return self._port.stream(method, requests)


class AsyncPort:
    """The same for an ``AsyncClient``."""

    def __init__(self, governd: FakeGovernd, first: Callable[[], Awaitable[object]]) -> None:
        self._port = governd.async_port()
        self._first = first
        self.close = self._port.close
        self.send = self._port.send

    async def call(self, method: Method[Any, Any], request: Any, terms: CallTerms) -> Any:
        if method is REPORT_OUTCOME:
            await self._first()
        return await self._port.call(method, request, terms)

    def stream(
        self, method: Method[Any, Any], requests: AsyncIterator[Any]
    ) -> AsyncGenerator[Any, None]:
        return self._port.stream(method, requests)


class Faulty:
    """Fails once, in a way that no port may."""

    def __init__(self) -> None:
        self.failed = False

    def __call__(self) -> None:
        if not self.failed:
            self.failed = True
            message = "a fault of the port"
            raise ValueError(message)

    async def later(self) -> None:
        self()


async def test_reports_go_out_while_the_client_is_open(
    governd: FakeGovernd, connect: Open, wait: Wait
) -> None:
    asker = connect()
    for _ in range(3):
        before = outcomes(governd)
        asker.report(await asker.evaluate(), Outcome.SUCCEEDED)
        await wait(lambda before=before: outcomes(governd) == before + 1)  # type: ignore[misc]


async def test_what_is_left_during_a_pause_is_counted_when_the_client_closes(
    governd: FakeGovernd, connect: Open, wait: Wait
) -> None:
    governd.refusals["ReportOutcome"] = status_of("UNAVAILABLE", "LOG_UNAVAILABLE")
    asker = connect()
    decision = await asker.evaluate()
    asker.report(decision, Outcome.FAILED)
    await wait(lambda: not asker._client._session.reports._backoff.ready(0.0))
    asker.report(decision, Outcome.FAILED)
    await asker.close()
    assert asker.stats().dropped == 2
    asker.report(decision, Outcome.FAILED)
    assert asker.stats().dropped == 3


async def test_a_report_under_way_when_tasks_are_cancelled_is_sent_when_the_client_closes(
    governd: FakeGovernd,
) -> None:
    under_way = asyncio.Event()

    async def hold() -> None:
        if not under_way.is_set():
            under_way.set()
            await asyncio.Event().wait()

    client = AsyncClient(port=AsyncPort(governd, hold))
    client.report(PERMIT, Outcome.SUCCEEDED)
    await under_way.wait()
    await client.close()
    assert outcomes(governd) + client.stats().dropped == 1
    assert outcomes(governd) == 1


async def test_a_close_that_is_cancelled_counts_what_it_could_not_send(
    governd: FakeGovernd,
) -> None:
    under_way = asyncio.Event()

    async def hold() -> None:
        under_way.set()
        await asyncio.Event().wait()

    client = AsyncClient(port=AsyncPort(governd, hold))
    client.report(PERMIT, Outcome.SUCCEEDED)
    await under_way.wait()
    under_way.clear()
    closing = asyncio.ensure_future(client.close())
    await under_way.wait()
    closing.cancel()
    await asyncio.gather(closing, return_exceptions=True)
    assert client.stats().dropped == 1


async def test_a_reporting_thread_that_holds_a_report_when_the_client_closes_counts_it(
    governd: FakeGovernd, wait: Wait
) -> None:
    under_way, closed = threading.Event(), threading.Event()

    def hold() -> None:
        under_way.set()
        closed.wait(10)
        governd.refusals["ReportOutcome"] = status_of("UNAVAILABLE")

    client = Client(port=Port(governd, hold))
    client.report(PERMIT, Outcome.SUCCEEDED)
    await wait(under_way.is_set)
    reports = client._session.reports
    close, reports.closing = reports.closing, closed.set  # type: ignore[method-assign]
    client.close()
    close()
    await wait(lambda: client.stats().dropped == 1)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_fault_in_a_reporting_thread_does_not_end_all_reports(
    governd: FakeGovernd, wait: Wait
) -> None:
    faulty = Faulty()
    client = Client(port=Port(governd, faulty))
    client.report(PERMIT, Outcome.SUCCEEDED)
    await wait(lambda: faulty.failed and not client._session.reports.running)
    client.report(PERMIT, Outcome.SUCCEEDED)
    await wait(lambda: outcomes(governd) == 2)
    client.close()


async def test_a_fault_in_a_reporting_task_does_not_end_all_reports(
    governd: FakeGovernd, wait: Wait
) -> None:
    faulty = Faulty()
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    client = AsyncClient(port=AsyncPort(governd, faulty.later))
    client.report(PERMIT, Outcome.SUCCEEDED)
    await wait(lambda: faulty.failed and not client._session.reports.running)
    client.report(PERMIT, Outcome.SUCCEEDED)
    await wait(lambda: outcomes(governd) == 2)
    await client.close()
