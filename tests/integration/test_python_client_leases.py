"""Leases, the shared stream and reports of the Python client against a real daemon."""

import asyncio
import os
import signal
import time
from collections.abc import Callable

import pytest

from governd_client import AsyncClient, Client, Decision, Outcome, Resource
from tests.integration.daemon_process import DaemonProcess, StartGovernd

STATUS = Resource("tool", "git/git_status")
RESET = Resource("tool", "git/git_reset")
ARGUMENTS = {"repo_path": "/srv/repo"}
FORBID = """
@id("nobody")
forbid (principal, action, resource);
"""


@pytest.fixture
def daemon(governd: StartGovernd) -> DaemonProcess:
    limits = "[limits]\ncalls_per_second = 1000000.0\nburst = 1000000\n"
    return governd(limits + "[leases]\nmax_seconds = 30.0")


def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Waits until something holds, and fails if it never does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never was so"
        time.sleep(0.005)


def ask(client: Client, resource: Resource = STATUS) -> Decision:
    return client.evaluate("tools/call", resource, arguments=ARGUMENTS)


def ask_until_leased(client: Client) -> Decision:
    until(lambda: ask(client).leased)
    return ask(client)


def test_a_question_that_was_just_asked_is_answered_in_the_process(daemon: DaemonProcess) -> None:
    with Client(str(daemon.sockets["writer"])) as client:
        decision = ask_until_leased(client)
        known = len(daemon.decisions())
        assert {ask(client).decision_id for _ in range(100)} == {decision.decision_id}
        assert len(daemon.decisions()) == known


def test_what_is_destructive_is_asked_about_every_time(daemon: DaemonProcess) -> None:
    with Client(str(daemon.sockets["writer"])) as client:
        ask_until_leased(client)
        assert not any(ask(client, RESET).leased for _ in range(5))


def test_a_changed_policy_reaches_a_leasing_client(daemon: DaemonProcess) -> None:
    with Client(str(daemon.sockets["writer"])) as client:
        ask_until_leased(client)
        with (daemon.policy_directory / "policies" / "git.cedar").open("a") as policies:
            policies.write(FORBID)
        until(lambda: not ask(client).allowed)


def test_leases_do_not_outlive_a_killed_daemon(daemon: DaemonProcess) -> None:
    with Client(str(daemon.sockets["writer"]), timeout=10) as client:
        decision = ask_until_leased(client)
        os.kill(daemon.daemon_pid, signal.SIGKILL)
        until(lambda: client.stats().leases == 0)
        assert ask_until_leased(client).decision_id != decision.decision_id


async def test_questions_at_a_time_share_a_stream(daemon: DaemonProcess) -> None:
    async with AsyncClient(str(daemon.sockets["writer"]), leases=False, timeout=10) as client:
        for _ in range(5):
            answers = await asyncio.gather(
                *(client.evaluate("tools/call", STATUS, arguments=ARGUMENTS) for _ in range(64))
            )
            assert all(each.allowed for each in answers)
            assert len({each.decision_id for each in answers}) == 64
        assert client.stats().streamed > 0


async def test_a_drain_answers_every_question_all_the_same(daemon: DaemonProcess) -> None:
    async with AsyncClient(str(daemon.sockets["writer"]), leases=False, timeout=15) as client:
        stopping = asyncio.Event()

        async def work() -> int:
            count = 0
            while not stopping.is_set():
                answer = await client.evaluate("tools/call", STATUS, arguments=ARGUMENTS)
                assert answer.allowed
                count += 1
            return count

        workers = [asyncio.ensure_future(work()) for _ in range(16)]
        await asyncio.sleep(0.3)
        assert await asyncio.to_thread(daemon.stop) == 0
        await asyncio.to_thread(daemon.start)
        await asyncio.sleep(0.3)
        stopping.set()
        assert all(await asyncio.gather(*workers))


def test_outcomes_uses_and_latencies_are_taken(daemon: DaemonProcess) -> None:
    with Client(str(daemon.sockets["writer"])) as client:
        decision = ask_until_leased(client)
        client.report(decision, Outcome.SUCCEEDED, duration=0.01)
    assert client.stats().dropped == 0
    assert decision.decision_id in daemon.decision_log.read_text("utf-8")
