"""Questions that are asked at a time share one stream, and lose nothing by it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pytest

from governd_client import (
    DeadlineExceededError,
    LimitExceededError,
    MalformedAnswerError,
    Resource,
    UnavailableError,
)
from governd_client._proto.governd.v1 import policy_service_pb2, types_pb2
from governd_client.testing import FakeGovernd, deny, permit, status_of

Open = Callable[..., Any]
Wait = Callable[[Callable[[], bool]], Awaitable[None]]
Answers = list[policy_service_pb2.StreamedAnswer]
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0"


@pytest.fixture(autouse=True)
def overlap(governd: FakeGovernd) -> None:
    """Single calls take long enough for others to come while they are under way."""
    governd.wait = lambda: time.sleep(0.02)


def tool(number: int) -> Resource:
    return Resource("tool", f"git/{number}")


def named(question: policy_service_pb2.EvaluateRequest) -> types_pb2.Evaluation:
    """Each question's answer names it."""
    return permit(reasons=[question.resource.id])


async def flood(asker: Any, count: int = 64, **terms: Any) -> list[Any]:
    """Asks many questions at a time; what came of each."""
    asked = (asker.evaluate(tool(number), **terms) for number in range(count))
    return await asyncio.gather(*asked, return_exceptions=True)


def assert_each_its_own(answers: list[Any]) -> None:
    assert [each.reasons for each in answers] == [(tool(n).id,) for n in range(len(answers))]


class Held:
    """A governd that keeps its streams' answers back, and its single calls waiting."""

    def __init__(self, governd: FakeGovernd) -> None:
        self.answers: Answers = []
        governd.arrange = self._hold

    def _hold(self, answers: Answers) -> Iterable[Answers]:
        self.answers += answers
        return []


async def test_a_lone_question_goes_by_a_call_of_its_own(
    governd: FakeGovernd, connect: Open
) -> None:
    asker = connect()
    for _ in range(3):
        await asker.evaluate()
    assert (asker.stats().unary, asker.stats().streamed) == (3, 0)
    assert governd.messages == []


async def test_questions_at_a_time_share_a_stream_and_get_their_own_answers(
    governd: FakeGovernd, connect: Open
) -> None:
    governd.rule = named
    asker = connect()
    for _ in range(5):
        assert_each_its_own(await flood(asker))
    stats = asker.stats()
    assert stats.unary + stats.streamed == 5 * 64
    assert stats.streamed > 0
    assert sum(len(each.questions) for each in governd.messages) == stats.streamed
    assert all(each.questions for each in governd.messages)
    assert governd.streams <= 1


async def test_each_question_brings_its_own_trace_context(
    governd: FakeGovernd, connect: Open
) -> None:
    asker = connect()
    async with asyncio.timeout(10):
        while not governd.messages:
            traces = [f"{TRACE}{number}" for number in range(8)]
            await asyncio.gather(*(asker.evaluate(traceparent=trace) for trace in traces))
    streamed = [each.traceparent for message in governd.messages for each in message.questions]
    assert len(streamed) == len(set(streamed))
    assert set(streamed) <= set(traces)


async def test_answers_out_of_order_twice_and_to_nobody_are_sorted_out(
    governd: FakeGovernd, connect: Open
) -> None:
    foreign = policy_service_pb2.StreamedAnswer(correlation_id=2**63, evaluation=deny())

    def shuffle(answers: Answers) -> Iterable[Answers]:
        return [[foreign, *reversed(answers)], answers, [], [foreign]]

    governd.rule = named
    governd.arrange = shuffle
    asker = connect()
    assert_each_its_own(await flood(asker))
    assert_each_its_own(await flood(asker))


async def test_a_drain_leaves_no_question_unanswered(
    governd: FakeGovernd, connect: Open, wait: Wait
) -> None:
    governd.rule = named
    held = Held(governd)
    asker = connect()
    asking = asyncio.ensure_future(flood(asker))
    await wait(lambda: bool(held.answers))
    governd.drain()
    async with asyncio.timeout(10):
        while not asking.done():  # whatever opened a stream in the meantime
            governd.drain()
            await asyncio.sleep(0.01)
    assert_each_its_own(await asking)
    assert asker.stats().unary == 64


async def test_a_daemon_without_streams_answers_single_calls(
    governd: FakeGovernd, connect: Open
) -> None:
    governd.rule = named
    governd.refusals["EvaluateStream"] = status_of("UNIMPLEMENTED")
    asker = connect()
    for _ in range(3):
        assert_each_its_own(await flood(asker, 16))
    assert asker.stats().streamed == 0


async def test_a_question_on_the_stream_ends_at_its_deadline(
    governd: FakeGovernd, connect: Open, wait: Wait
) -> None:
    held = Held(governd)
    governd.rule = lambda _: permit()
    asker = connect()
    outcomes = await flood(asker, 16, timeout=0.5)
    late = [each for each in outcomes if isinstance(each, DeadlineExceededError)]
    assert len(late) == len(held.answers)
    assert len(late) > 0


async def test_an_answer_after_its_deadline_answers_nobody_else(
    governd: FakeGovernd, connect: Open, wait: Wait
) -> None:
    held = Held(governd)
    governd.rule = named
    asker = connect()
    await flood(asker, 8, timeout=0.3)
    kept, governd.arrange = held.answers, lambda answers: [kept, answers]
    assert_each_its_own(await flood(asker, 8))


async def test_a_streamed_refusal_is_typed_and_refuses_its_question_alone(
    governd: FakeGovernd, connect: Open
) -> None:
    limited = status_of("RESOURCE_EXHAUSTED", "RATE_LIMITED")

    def judge(question: policy_service_pb2.EvaluateRequest) -> types_pb2.Evaluation:
        return permit() if question.resource.id != tool(3).id else types_pb2.Evaluation()

    def spoil(answers: Answers) -> Iterable[Answers]:
        for each in answers:
            if not each.evaluation.decision:
                each.evaluation.error.CopyFrom(limited)
        return [answers]

    governd.rule, governd.arrange = judge, spoil
    outcomes = await flood(connect(), 16)
    assert isinstance(outcomes.pop(3), LimitExceededError | MalformedAnswerError)
    assert all(each.allowed for each in outcomes)


async def test_closing_wakes_whoever_waits(governd: FakeGovernd, connect: Open, wait: Wait) -> None:
    held = Held(governd)
    asker = connect()
    asking = asyncio.ensure_future(flood(asker, 16))
    await wait(lambda: bool(held.answers))
    await asker.close()
    waited = [each for each in await asking if isinstance(each, Exception)]
    assert len(waited) >= len(held.answers) > 0
    assert all(isinstance(each, UnavailableError) for each in waited)


async def test_a_cancelled_question_leaves_the_others_alone(
    governd: FakeGovernd, connect: Open, wait: Wait
) -> None:
    governd.rule = named
    asker = connect()
    tasks = [asyncio.ensure_future(asker.evaluate(tool(number))) for number in range(32)]
    await asyncio.sleep(0)
    for task in tasks[1::2]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for number, task in enumerate(tasks):
        if not task.cancelled():
            assert task.result().reasons == (tool(number).id,)
    assert_each_its_own(await flood(asker))
    assert all(each.questions for each in governd.messages), "governd refuses an empty message"


@pytest.mark.parametrize("code", ["INTERNAL", "INVALID_ARGUMENT", "RESOURCE_EXHAUSTED", "UNKNOWN"])
async def test_however_the_stream_breaks_the_questions_are_asked_again(
    governd: FakeGovernd, connect: Open, code: str
) -> None:
    governd.rule = named
    governd.refusals["EvaluateStream"] = status_of(code)
    assert_each_its_own(await flood(connect(), 16))
