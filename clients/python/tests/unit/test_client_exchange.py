"""Questions over one stream: each gets exactly one answer, its own, or is handed back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governd_client import LimitExceededError
from governd_client._proto.governd.v1 import policy_service_pb2, types_pb2
from governd_client.exchange import (
    MAX_MESSAGE_BYTES,
    MAX_OUTSTANDING,
    Exchange,
    answer_of,
)
from governd_client.question import key_of, request_of
from governd_client.testing import permit

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def request(name: str = "git/git_log", size: int = 0) -> policy_service_pb2.EvaluateRequest:
    return request_of(key_of("tools/call", ("tool", name), {"text": "x" * size}, None))


def response(*numbers: int) -> policy_service_pb2.EvaluateStreamResponse:
    answers = [
        policy_service_pb2.StreamedAnswer(correlation_id=each, evaluation=permit())
        for each in numbers
    ]
    return policy_service_pb2.EvaluateStreamResponse(answers=answers)


def asked(exchange: Exchange[str], *waiters: str) -> list[int]:
    return [exchange.ask(request(), "", each) for each in waiters]


def who(found: list[tuple[str, types_pb2.Evaluation]]) -> list[str]:
    return [waiter for waiter, _ in found]


def test_all_that_waits_goes_out_in_one_message() -> None:
    exchange: Exchange[str] = Exchange()
    numbers = asked(exchange, "a", "b", "c")
    assert [each.correlation_id for each in exchange.message().questions] == numbers
    assert not exchange.message().questions


def test_each_question_has_its_own_trace_context() -> None:
    exchange: Exchange[str] = Exchange()
    exchange.ask(request(), TRACE, "a")
    exchange.ask(request(), "", "b")
    assert [each.traceparent for each in exchange.message().questions] == [TRACE, ""]


def test_answers_in_any_order_find_their_questions() -> None:
    exchange: Exchange[str] = Exchange()
    a, b, c = asked(exchange, "a", "b", "c")
    exchange.message()
    assert who(exchange.answered(response(c, a))) == ["c", "a"]
    assert who(exchange.answered(response(b))) == ["b"]
    assert exchange.idle


def test_duplicate_and_foreign_correlation_ids_are_ignored() -> None:
    exchange: Exchange[str] = Exchange()
    a, _ = asked(exchange, "a", "b")
    exchange.message()
    assert who(exchange.answered(response(a, a, 0, 999, 2**64 - 1))) == ["a"]
    assert exchange.answered(response(a)) == []
    assert exchange.end() == ["b"]


def test_an_answer_before_its_question_was_sent_is_foreign() -> None:
    exchange: Exchange[str] = Exchange()
    [a] = asked(exchange, "a")
    assert exchange.answered(response(a)) == []
    assert exchange.ready


def test_a_message_has_256_questions_at_most() -> None:
    exchange: Exchange[str] = Exchange()
    asked(exchange, *map(str, range(300)))
    assert [len(exchange.message().questions) for _ in range(3)] == [256, 44, 0]


def test_a_message_stays_below_its_limit_in_bytes() -> None:
    exchange: Exchange[str] = Exchange()
    for each in range(10):
        exchange.ask(request(size=30_000), "", str(each))
    sizes = [exchange.message().ByteSize() for _ in range(5)]
    assert all(30_000 < size <= MAX_MESSAGE_BYTES + 1000 for size in sizes)


def test_a_question_larger_than_a_message_goes_alone() -> None:
    exchange: Exchange[str] = Exchange()
    for each in ("a", "b"):
        exchange.ask(request(size=2 * MAX_MESSAGE_BYTES), "", each)
    assert [len(exchange.message().questions) for _ in range(2)] == [1, 1]


def test_questions_beyond_the_bound_wait_for_answers() -> None:
    exchange: Exchange[str] = Exchange()
    numbers = asked(exchange, *map(str, range(MAX_OUTSTANDING + 1)))
    while exchange.ready:
        exchange.message()
    assert not exchange.message().questions
    exchange.answered(response(numbers[0]))
    assert [each.correlation_id for each in exchange.message().questions] == numbers[-1:]


def test_a_question_that_is_cancelled_in_time_is_never_sent() -> None:
    exchange: Exchange[str] = Exchange()
    a, b = asked(exchange, "a", "b")
    exchange.forget(a)
    assert [each.correlation_id for each in exchange.message().questions] == [b]


def test_an_answer_that_nobody_waits_for_is_ignored_and_makes_room() -> None:
    exchange: Exchange[str] = Exchange()
    [a] = asked(exchange, "a")
    exchange.message()
    exchange.forget(a)
    assert not exchange.idle
    assert exchange.answered(response(a)) == []
    assert exchange.idle


def test_a_stream_that_answers_no_more_is_stuck() -> None:
    exchange: Exchange[str] = Exchange()
    for number in asked(exchange, *map(str, range(MAX_OUTSTANDING // 2))):
        assert not exchange.stuck
        exchange.message()
        exchange.forget(number)
    assert exchange.stuck


def test_a_drain_hands_back_whatever_is_unanswered() -> None:
    exchange: Exchange[str] = Exchange(max_questions=2)
    a, *_ = asked(exchange, "a", "b", "c")
    exchange.message()
    exchange.answered(response(a))
    assert sorted(exchange.end()) == ["b", "c"]
    assert (exchange.ended, exchange.ready, exchange.idle) == (True, True, True)
    assert exchange.end() == []


def test_what_waits_gets_its_error() -> None:
    with pytest.raises(LimitExceededError):
        answer_of(LimitExceededError("slow down"))
    assert answer_of(permit()).decision


@given(st.lists(st.tuples(st.sampled_from("asfre"), st.integers(1, 12)), max_size=60))
def test_each_question_is_answered_forgotten_or_handed_back_exactly_once(
    steps: list[tuple[str, int]],
) -> None:
    exchange: Exchange[int] = Exchange(max_questions=3)
    count = 0
    sent: set[int] = set()
    done: list[int] = []
    for step, number in steps:
        match step:
            case "a":
                count += 1
                assert exchange.ask(request(), "", count) == count
            case "s":
                ready, message = exchange.ready, exchange.message()
                assert ready == bool(message.questions), "governd refuses an empty message"
                sent |= {each.correlation_id for each in message.questions}
            case "f" if number <= count and number not in done:
                exchange.forget(number)
                done.append(number)
            case "r":
                found = [waiter for waiter, _ in exchange.answered(response(number))]
                assert found == ([number] if number in sent and number not in done else [])
                done += found
    done += exchange.end()
    assert sorted(done) == list(range(1, count + 1))
