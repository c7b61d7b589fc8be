"""EvaluateStream, WatchEpoch and ReportOutcome of a real daemon, and what a drain does to them."""

import json
import signal
from collections.abc import Iterator
from queue import SimpleQueue
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from governd._proto.governd.v1 import policy_service_pb2 as pb
from governd._proto.governd.v1 import policy_service_pb2_grpc, types_pb2
from tests.integration.daemon_process import DaemonProcess, StartGovernd
from tests.integration.test_policy_changes import reload

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def asked(message: str = "DEMO-1: why", resource: str = "git/git_commit") -> pb.EvaluateRequest:
    arguments = {"repo_path": "repository", "message": message}
    return pb.EvaluateRequest(
        action=types_pb2.Action(name="tools/call"),
        resource=types_pb2.Resource(type="tool", id=resource),
        context=types_pb2.Context(arguments_json=json.dumps(arguments).encode()),
    )


class Stream:
    """One EvaluateStream."""

    def __init__(self, stub: policy_service_pb2_grpc.PolicyServiceStub) -> None:
        self._waiting: SimpleQueue[pb.EvaluateStreamRequest | None] = SimpleQueue()
        self.answers: Any = stub.EvaluateStream(iter(self._waiting.get, None), timeout=20)

    def ask(self, *questions: pb.StreamedQuestion) -> dict[int, types_pb2.Evaluation]:
        self._waiting.put(pb.EvaluateStreamRequest(questions=questions))
        return {one.correlation_id: one.evaluation for one in next(self.answers).answers}

    def end(self) -> None:
        self._waiting.put(None)


@pytest.fixture
def stub(daemon: DaemonProcess) -> Iterator[policy_service_pb2_grpc.PolicyServiceStub]:
    with grpc.insecure_channel(daemon.target("writer")) as channel:
        yield policy_service_pb2_grpc.PolicyServiceStub(channel)


@pytest.fixture
def daemon(governd: StartGovernd) -> DaemonProcess:
    return governd("[limits]\nbatch_size = 8\n[leases]\nmax_seconds = 5.0\n")


@pytest.fixture
def stream(stub: policy_service_pb2_grpc.PolicyServiceStub) -> Iterator[Stream]:
    stream = Stream(stub)
    yield stream
    stream.end()


def reason(error: status_pb2.Status) -> str:
    for detail in error.details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return str(info.reason)
    return ""


def reason_of(error: grpc.RpcError) -> str:
    found = rpc_status.from_call(error)  # type: ignore[arg-type]
    return reason(found) if found else ""


def test_each_answer_carries_the_id_of_its_question(stream: Stream, daemon: DaemonProcess) -> None:
    answers = stream.ask(
        pb.StreamedQuestion(correlation_id=7, request=asked()),
        pb.StreamedQuestion(correlation_id=0, request=asked("no ticket")),
        pb.StreamedQuestion(correlation_id=2**64 - 1, request=asked(resource="git/none")),
    )
    assert answers[7].decision
    assert list(answers[0].reasons) == ["git/commit-names-its-ticket"]
    assert answers[2**64 - 1].code == types_pb2.DECISION_CODE_UNKNOWN_RESOURCE
    recorded = {one["decision_id"] for one in daemon.decisions()}
    assert {one.decision_id for one in answers.values()} <= recorded


def test_a_stream_answers_as_a_single_call_does(
    stream: Stream, stub: policy_service_pb2_grpc.PolicyServiceStub
) -> None:
    for request in (asked(), asked("no ticket"), asked(resource="git/none")):
        streamed = stream.ask(pb.StreamedQuestion(request=request))[0]
        single = stub.Evaluate(request, timeout=5).evaluation
        for one in (streamed, single):
            one.decision_id = ""
            one.policy.ClearField("age")
        assert streamed == single


def test_a_question_that_cannot_be_asked_fails_alone(stream: Stream) -> None:
    answers = stream.ask(
        pb.StreamedQuestion(correlation_id=1, request=pb.EvaluateRequest()),
        pb.StreamedQuestion(correlation_id=2, request=asked()),
    )
    assert reason(answers[1].error) == "REQUEST_INVALID"
    assert not answers[1].decision
    assert answers[2].decision


def test_a_question_has_a_trace_of_its_own(stream: Stream, daemon: DaemonProcess) -> None:
    answers = stream.ask(
        pb.StreamedQuestion(correlation_id=1, request=asked(), traceparent=TRACE),
        pb.StreamedQuestion(correlation_id=2, request=asked(), traceparent="nonsense"),
    )
    traces = {one["decision_id"]: one["trace_id"] for one in daemon.decisions()}
    assert traces[answers[1].decision_id] == TRACE.split("-")[1]
    assert traces[answers[2].decision_id] is None


def test_too_many_questions_in_a_message_end_the_stream(stream: Stream) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        stream.ask(*[pb.StreamedQuestion(request=asked())] * 9)
    assert reason_of(refused.value) == "REQUEST_INVALID"


def test_a_message_beyond_the_callers_rate_is_refused_whole_and_the_next_waits(
    governd: StartGovernd,
) -> None:
    daemon = governd("[limits]\ncalls_per_second = 4.0\nburst = 8\n")
    with grpc.insecure_channel(daemon.target("writer")) as channel:
        stream = Stream(policy_service_pb2_grpc.PolicyServiceStub(channel))
        asked_for = [pb.StreamedQuestion(correlation_id=n, request=asked()) for n in range(8)]
        refused = stream.ask(*asked_for)
        assert {reason(one.error) for one in refused.values()} == {"RATE_LIMITED"}
        answers = stream.ask(asked_for[0])
        stream.end()
    assert sorted(refused) == list(range(8))
    assert answers[0].decision


def test_a_stream_ends_well_when_the_caller_is_done(stream: Stream) -> None:
    stream.ask(pb.StreamedQuestion(request=asked()))
    stream.end()
    assert list(stream.answers) == []
    assert stream.answers.code() is grpc.StatusCode.OK


def test_an_empty_message_ends_the_stream(stream: Stream) -> None:
    """It would cost nothing, and its sender could send any number."""
    with pytest.raises(grpc.RpcError) as refused:
        stream.ask()
    assert reason_of(refused.value) == "REQUEST_INVALID"


def test_the_epoch_is_told_at_once_and_again_when_the_policy_changes(
    daemon: DaemonProcess, stub: policy_service_pb2_grpc.PolicyServiceStub
) -> None:
    states = stub.WatchEpoch(pb.WatchEpochRequest(), timeout=20)
    first = next(states)
    assert 0 < first.beat.ToSeconds() + first.beat.nanos / 1e9 < 0.6
    assert first.silence.ToTimedelta().total_seconds() == 1.2
    answer = stub.Evaluate(asked(), timeout=5).evaluation
    assert answer.policy.epoch == first.policy.epoch
    manifest = daemon.policy_directory / "manifest.toml"
    manifest.write_text(manifest.read_text() + "# changed\n")
    reload(daemon)
    seen = {first.policy.epoch}
    while len(seen) == 1:
        seen.add(next(states).policy.epoch)
    assert stub.Evaluate(asked(), timeout=5).evaluation.policy.epoch in seen - {first.policy.epoch}
    states.cancel()


def test_a_harmless_permit_is_leased_and_a_deny_is_not(
    stub: policy_service_pb2_grpc.PolicyServiceStub,
) -> None:
    listed = pb.EvaluateRequest(
        action=types_pb2.Action(name="tools/list"),
        resource=types_pb2.Resource(type="mcp_server", id="git"),
    )
    leased = stub.Evaluate(listed, timeout=5).evaluation
    assert leased.decision
    assert leased.lease.valid_for.seconds == 5
    assert not stub.Evaluate(asked("no ticket"), timeout=5).evaluation.HasField("lease")


def test_what_became_of_a_permit_is_on_record_as_its_callers_word(
    stub: policy_service_pb2_grpc.PolicyServiceStub, daemon: DaemonProcess
) -> None:
    name = stub.Evaluate(asked(), timeout=5).evaluation.decision_id
    stub.ReportOutcome(
        pb.ReportOutcomeRequest(
            outcomes=[pb.Outcome(decision_id=name, code=pb.OUTCOME_CODE_FAILED)],
            lease_uses=[pb.LeaseUse(decision_id=name, uses=3)],
        ),
        timeout=5,
    )
    decision, outcome, use = daemon.decisions()[-3:]
    assert {one["decision_id"] for one in (decision, outcome, use)} == {name}
    assert [one["kind"] for one in (decision, outcome, use)] == ["decision", "outcome", "lease_use"]
    assert outcome["caller"] == daemon.listeners["writer"]


def test_a_report_beyond_its_limits_is_refused(
    stub: policy_service_pb2_grpc.PolicyServiceStub, daemon: DaemonProcess
) -> None:
    use = pb.LeaseUse(decision_id="0a" * 16, uses=1)
    with pytest.raises(grpc.RpcError) as refused:
        stub.ReportOutcome(pb.ReportOutcomeRequest(lease_uses=[use] * 9), timeout=5)
    assert reason_of(refused.value) == "REQUEST_INVALID"
    assert not daemon.decisions()


@pytest.mark.req("avail-2", part=True)
def test_a_drain_ends_streams_with_a_status_that_says_to_come_back(
    stream: Stream, stub: policy_service_pb2_grpc.PolicyServiceStub, daemon: DaemonProcess
) -> None:
    states = stub.WatchEpoch(pb.WatchEpochRequest(), timeout=20)
    next(states)
    stream.ask(pb.StreamedQuestion(request=asked()))
    assert daemon.process is not None
    daemon.process.send_signal(signal.SIGTERM)
    for answers in (states, stream.answers):
        with pytest.raises(grpc.RpcError) as ended:
            list(answers)
        assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
        assert reason_of(ended.value) == "DRAINING"
    assert daemon.process.wait(20) == 0
