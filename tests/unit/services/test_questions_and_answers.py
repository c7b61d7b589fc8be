"""What is read or written once is not read or written anew, and nothing else changes by it."""

import functools

import pytest

from governd._proto.governd.v1 import policy_service_pb2, types_pb2
from governd.application.answer import Answer
from governd.endpoints import status
from governd.errors import RequestError
from governd.identity import Attestation, Caller, SpiffeId
from governd.policy.arguments import ArgumentLimits, parse_arguments
from governd.policy.decision import Decision, DecisionCode, PolicyInfo
from governd.policy.delegated import PLAIN
from governd.services import answers, questions
from governd.services.answers import Answers
from governd.services.questions import Questions
from tests.policies import ALICE, BOB, READER, WRITER, acting, question

ME, OTHER = SpiffeId.parse(WRITER), SpiffeId.parse(READER)


def request(arguments: bytes = b"{}", **more: object) -> policy_service_pb2.EvaluateRequest:
    return policy_service_pb2.EvaluateRequest(
        action=types_pb2.Action(name="tools/call"),
        resource=types_pb2.Resource(type="tool", id="git/open"),
        context=types_pb2.Context(arguments_json=arguments),
        **more,  # type: ignore[arg-type]
    )


@pytest.fixture
def read() -> Questions:
    return Questions(functools.partial(parse_arguments, limits=ArgumentLimits()))


def test_the_same_question_of_the_same_caller_is_read_once(read: Questions) -> None:
    assert read.read(request(), ME) is read.read(request(), ME)


def test_another_caller_or_other_arguments_are_another_question(read: Questions) -> None:
    first = read.read(request(), ME)
    assert read.read(request(), OTHER).subject == OTHER
    assert read.read(request(b'{"a": 1}'), ME).arguments != first.arguments


def test_a_subject_is_never_looked_up(read: Questions) -> None:
    about = request(subject=types_pb2.Subject(id=READER))
    found = read.read(about, ME)
    assert (found.subject, found.asserted_by) == (OTHER, ME)
    assert read.read(request(), ME).asserted_by is None


@pytest.mark.parametrize("about", ["", READER])
def test_evidence_that_nobody_verifies_is_refused_not_left_out(read: Questions, about: str) -> None:
    read.read(request(), ME)
    asked = request(subject=types_pb2.Subject(id=about) if about else None)
    asked.context.evidence.acting_as_token = "e.e.e"
    with pytest.raises(RequestError) as raised:
        read.read(asked, ME)
    assert raised.value.field == "context.evidence"


def test_what_was_verified_is_the_question_s_own_and_never_remembered(read: Questions) -> None:
    asked = request()
    asked.context.evidence.id_token = "e.e.e"
    for user in (ALICE, BOB):
        circumstances = acting(user, str(ME))
        assert read.read(asked, ME, circumstances).circumstances == circumstances
    assert read.read(request(), ME).circumstances is PLAIN


def test_a_question_that_cannot_be_read_is_not_remembered(read: Questions) -> None:
    for _ in range(2):
        with pytest.raises(RequestError):
            read.read(request(b"{"), ME)


def test_long_arguments_are_not_remembered(read: Questions) -> None:
    long = request(b'{"a": "' + b"x" * questions.MAX_ARGUMENTS + b'"}')
    assert read.read(long, ME) is not read.read(long, ME)


def test_memory_is_bounded(read: Questions) -> None:
    for number in range(2000):
        read.read(request(b'{"a": "%s %d"}' % (b"x" * 100, number)), ME)
    assert len(read.__dict__["_read"]) < 1500


def answer(decision: Decision, name: str, info: PolicyInfo) -> Answer:
    return Answer(name * 32, 0.0, Caller(ME, Attestation.STATIC), question(), decision, info, 0.0)


def written(write: Answers, one: Answer) -> types_pb2.Evaluation:
    message = types_pb2.Evaluation()
    write.write(one, message)
    return message


def test_answers_with_the_same_decision_differ_in_id_age_and_epoch() -> None:
    write, decision = Answers(status.to_status), Decision(DecisionCode.PERMITTED, ("a",))
    first = written(write, answer(decision, "1", PolicyInfo("d", 1, "e-1", 1.5)))
    second = written(write, answer(decision, "2", PolicyInfo("d", 1, "e-1", 2.25)))
    third = written(write, answer(decision, "3", PolicyInfo("d2", 2, "e-2", 0.0)))
    assert [one.decision_id[0] for one in (first, second, third)] == ["1", "2", "3"]
    assert (first.policy.age.seconds, first.policy.age.nanos) == (1, 500_000_000)
    assert (second.policy.age.seconds, second.policy.age.nanos) == (2, 250_000_000)
    assert (third.policy.digest, third.policy.epoch, third.policy.age.nanos) == ("d2", "e-2", 0)
    assert all(one.decision and list(one.reasons) == ["a"] for one in (first, second, third))


def test_equal_looking_decisions_are_not_taken_for_each_other() -> None:
    write, info = Answers(status.to_status), PolicyInfo("d", 1, "e", 0.0)
    for number in range(2 * answers.MAX_TEMPLATES):
        decision = Decision(DecisionCode.FORBIDDEN, (str(number),))
        assert list(written(write, answer(decision, "1", info)).reasons) == [str(number)]


def test_an_error_is_no_decision() -> None:
    write, message = Answers(status.to_status), types_pb2.Evaluation()
    write.write(RequestError("action.name: required", field="action.name"), message)
    assert message.HasField("error")
    assert not message.decision
