"""Leases in use: both clients, in memory and over a socket."""

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from governd_client import (
    ArgumentsInvalidError,
    Decision,
    InvalidRequestError,
    Outcome,
    Resource,
    UnavailableError,
)
from governd_client._proto.governd.v1 import policy_service_pb2, types_pb2
from governd_client.testing import FakeGovernd, deny, permit, status_of

Open = Callable[..., Any]
Wait = Callable[[Callable[[], bool]], Awaitable[None]]
Lease = Callable[..., Awaitable[Decision]]
LOG = Resource("tool", "git/git_log")


@pytest.fixture(autouse=True)
def leasing(governd: FakeGovernd) -> None:
    """Everything is permitted, with a lease."""
    governd.rule = lambda _: permit()
    governd.lease = 60.0


async def test_a_leased_answer_asks_nobody(
    governd: FakeGovernd, connect: Open, lease: Lease
) -> None:
    asker = connect()
    decision = await lease(asker)
    asked = len(governd.requests)
    again = [await asker.evaluate() for _ in range(10)]
    assert len(governd.requests) == asked
    assert {each.decision_id for each in again} == {decision.decision_id}
    assert all(each.leased and each.allowed for each in again)
    assert asker.stats().leased == 11


async def test_a_new_epoch_ends_the_lease(
    governd: FakeGovernd, connect: Open, lease: Lease, wait: Wait
) -> None:
    asker = connect()
    await lease(asker)
    governd.rule = lambda _: deny()
    governd.epoch = "2"
    await wait(lambda: not asker.stats().leases)
    assert not (await asker.evaluate()).allowed


async def test_silence_ends_the_lease(
    governd: FakeGovernd, connect: Open, lease: Lease, wait: Wait
) -> None:
    asker = connect()
    await lease(asker)
    governd.silent()
    while (await asker.evaluate()).leased:  # noqa: ASYNC110 - nothing tells of silence
        await asyncio.sleep(0.01)
    governd.epoch = "1"
    await lease(asker)


async def test_a_client_on_time_goes_on_trusting_the_stream_that_it_follows(
    connect: Open, lease: Lease, wait: Wait
) -> None:
    asker = connect()
    await lease(asker)
    freshness = asker._client._session.watch._freshness
    began = freshness.since
    await wait(lambda: freshness.since > began)


async def test_a_drain_ends_the_lease_and_the_client_watches_again(
    governd: FakeGovernd, connect: Open, lease: Lease, wait: Wait
) -> None:
    asker = connect()
    await lease(asker)
    governd.refusals["WatchEpoch"] = status_of("UNAVAILABLE", "DRAINING")
    governd.drain()
    await wait(lambda: not asker.stats().leases)
    assert not (await asker.evaluate()).leased
    governd.refusals.clear()
    await lease(asker)


async def test_leases_can_be_switched_off(governd: FakeGovernd, connect: Open) -> None:
    asker = connect(leases=False)
    for _ in range(3):
        assert not (await asker.evaluate()).leased
    assert governd.watchers == 0


async def test_an_old_daemon_gives_no_leases_and_is_asked_once(
    governd: FakeGovernd, connect: Open, wait: Wait
) -> None:
    for name in ("WatchEpoch", "EvaluateStream", "ReportOutcome"):
        governd.refusals[name] = status_of("UNIMPLEMENTED")
    asker = connect()
    for _ in range(20):
        assert not (await asker.evaluate()).leased
    both = await asyncio.gather(*(asker.evaluate() for _ in range(8)))
    assert all(each.allowed for each in both)
    assert asker.stats().streamed == 0


@pytest.mark.parametrize(
    "evaluation",
    [
        deny(lease=types_pb2.Lease()),
        permit(obligations=[types_pb2.Obligation(type="step-up")], lease=types_pb2.Lease()),
        permit(policy=types_pb2.PolicyInfo(epoch="0"), lease=types_pb2.Lease()),
    ],
    ids=["deny", "obligations", "foreign-epoch"],
)
async def test_a_lease_that_must_not_be_is_ignored(
    governd: FakeGovernd, connect: Open, lease: Lease, evaluation: types_pb2.Evaluation
) -> None:
    evaluation.lease.valid_for.FromSeconds(60)
    asker = connect(supported_obligations=["step-up"])
    await lease(asker)
    governd.rule = lambda _: evaluation
    other = Resource("tool", "git/git_add")
    assert not [each for _ in range(3) if (each := await asker.evaluate(other)).leased]


async def test_a_lease_makes_no_malformed_question_pass(
    governd: FakeGovernd, connect: Open, lease: Lease
) -> None:
    asker = connect()
    await lease(asker, arguments={"1": 1})
    malformed: list[Any] = [{1: 1}, {"1": float("nan")}, {"1": 1, True: 1}, {"1": {2: 1}}]
    for arguments in malformed:
        with pytest.raises(ArgumentsInvalidError):
            await asker.evaluate(arguments=arguments)
    for timeout in (0, -1, float("nan"), float("inf")):
        with pytest.raises(InvalidRequestError):
            await asker.evaluate(arguments={"1": 1}, timeout=timeout)


async def test_arguments_of_other_types_are_other_questions(
    governd: FakeGovernd, connect: Open, lease: Lease
) -> None:
    asker = connect()
    await lease(asker, arguments={"n": 1})
    for value in (1.0, True, "1", [1], None):
        assert not (await asker.evaluate(arguments={"n": value})).leased


async def test_a_closed_client_leases_nothing(connect: Open, lease: Lease) -> None:
    asker = connect()
    await lease(asker)
    await asker.close()
    with pytest.raises(UnavailableError):
        await asker.evaluate()


async def test_outcomes_and_uses_are_reported_when_the_client_closes(
    governd: FakeGovernd, connect: Open, lease: Lease
) -> None:
    asker = connect()
    decision = await lease(asker)
    asker.report(decision, Outcome.SUCCEEDED, duration=0.25)
    await asker.close()
    [report] = governd.reports
    [outcome] = report.outcomes
    assert (outcome.decision_id, outcome.code) == (
        decision.decision_id,
        policy_service_pb2.OUTCOME_CODE_SUCCEEDED,
    )
    assert [use.uses for use in report.lease_uses] == [1]
    paths = {each.path: sum(each.counts) for each in report.latencies}
    assert paths == {
        policy_service_pb2.ANSWER_PATH_UNARY: asker.stats().unary,
        policy_service_pb2.ANSWER_PATH_LEASE: 1,
    }


async def test_closing_does_not_fail_where_reports_do(governd: FakeGovernd, connect: Open) -> None:
    governd.refusals["ReportOutcome"] = status_of("UNAVAILABLE", "LOG_UNAVAILABLE")
    asker = connect()
    asker.report(await asker.evaluate(), Outcome.FAILED)
    await asker.close()
    assert governd.reports == []
    assert asker.stats().dropped == 1


async def test_thousands_of_distinct_questions_hold_thousands_of_leases_and_no_more(
    governd: FakeGovernd, connect: Open, lease: Lease
) -> None:
    asker = connect()
    await lease(asker)
    await asyncio.gather(
        *(asker.evaluate(Resource("tool", f"git/{number}")) for number in range(300))
    )
    assert asker.stats().leases == 301


FORK = """
import os, sys, time
from governd_client import Client, Resource
log = Resource("tool", "git/git_log")
client = Client(sys.argv[1], timeout=5)
end = time.monotonic() + 10
while not client.evaluate("tools/call", log).leased:
    assert time.monotonic() < end
    time.sleep(0.005)
pid = os.fork()
if pid == 0:
    stats = client.stats()
    decision = client._session.reuse(("tools/call", "tool", "git/git_log", None, None), 0.0)
    client._session.close()
    os._exit(0 if decision is None else 3)
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
assert client.evaluate("tools/call", log).leased
client.close()
sys.exit(code)
"""


def test_a_fork_takes_no_lease_along(governd: FakeGovernd, socket: str) -> None:
    done = subprocess.run([sys.executable, "-c", FORK, socket], timeout=30, check=False)
    assert done.returncode == 0


def test_an_unclosed_client_does_not_hold_the_process_up(governd: FakeGovernd, socket: str) -> None:
    script = FORK.replace("pid = os.fork()", "sys.exit(0)")
    done = subprocess.run([sys.executable, "-c", script, socket], timeout=30, check=False)
    assert done.returncode == 0
