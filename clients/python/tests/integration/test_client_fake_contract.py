"""The fake's ports keep the contract of the gRPC ports: the same tests hold for both."""

import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from governd_client import (
    LimitExceededError,
    RegistrationTooLargeError,
    ServerUnknownError,
    UnavailableError,
)
from governd_client._proto.governd.v1 import (
    identity_service_pb2,
    policy_service_pb2,
    tool_service_pb2,
)
from governd_client.channel import (
    EVALUATE,
    EVALUATE_STREAM,
    FILTER_TOOLS,
    REGISTER_TOOLS,
    REPORT_OUTCOME,
    WAIT_READY,
    WATCH_EPOCH,
    WHO_AM_I,
    AsyncPort,
    CallTerms,
    Port,
    resolve,
)
from governd_client.grpc_port import AsyncGrpcPort, GrpcPort
from governd_client.question import key_of, request_of
from governd_client.testing import FakeGovernd, permit, show_all, status_of

TERMS: CallTerms = {"timeout": 5.0, "metadata": ()}
LOG = request_of(key_of("tools/call", ("tool", "git/git_log"), None, None))
WATCH = policy_service_pb2.WatchEpochRequest()
WAIT = identity_service_pb2.WaitReadyRequest()


@pytest.fixture(params=["memory", "wire"])
def port(request: pytest.FixtureRequest, governd: FakeGovernd, socket: str) -> Iterator[Port]:
    made = governd.port() if request.param == "memory" else GrpcPort(resolve(socket))
    yield made
    made.close()


@pytest.fixture(params=["memory", "wire"])
async def async_port(
    request: pytest.FixtureRequest, governd: FakeGovernd, tmp_path: Path
) -> AsyncIterator[AsyncPort]:
    with governd.serve(tmp_path / "governd.sock") as path:
        memory = request.param == "memory"
        made = governd.async_port() if memory else AsyncGrpcPort(resolve(path))
        yield made
        await made.close()


def asked(*numbers: int) -> policy_service_pb2.EvaluateStreamRequest:
    questions = [
        policy_service_pb2.StreamedQuestion(correlation_id=each, request=LOG) for each in numbers
    ]
    return policy_service_pb2.EvaluateStreamRequest(questions=questions)


def ids(response: policy_service_pb2.EvaluateStreamResponse) -> list[int]:
    return [each.correlation_id for each in response.answers]


async def once(
    *requests: policy_service_pb2.EvaluateStreamRequest,
) -> AsyncIterator[policy_service_pb2.EvaluateStreamRequest]:
    for each in requests:
        yield each


async def watch() -> AsyncIterator[policy_service_pb2.WatchEpochRequest]:
    yield WATCH


def registration() -> list[tool_service_pb2.RegisterToolsRequest]:
    """Two messages, more than gRPC sends at once."""
    one = tool_service_pb2.RegisterToolsRequest(server="git")
    one.definitions.add(kind=tool_service_pb2.DEFINITION_KIND_TOOL, definition_json=b"x" * 100_000)
    two = tool_service_pb2.RegisterToolsRequest()
    two.definitions.add(kind=tool_service_pb2.DEFINITION_KIND_PROMPT, definition_json=b"{}")
    return [one, two]


def test_a_watch_tells_the_epoch_at_once_on_change_and_again_without(
    governd: FakeGovernd, port: Port
) -> None:
    stream = port.stream(WATCH_EPOCH, iter([WATCH]))
    assert next(stream).policy.epoch == "1"
    governd.epoch = "2"
    assert next(stream).policy.epoch == "2"
    assert next(stream).policy.epoch == "2"
    stream.cancel()


async def test_an_asynchronous_watch_tells_the_same(
    governd: FakeGovernd, async_port: AsyncPort
) -> None:
    async with aclosing(async_port.stream(WATCH_EPOCH, watch())) as stream:
        assert (await anext(stream)).policy.epoch == "1"
        governd.epoch = "2"
        assert (await anext(stream)).policy.epoch == "2"
        assert (await anext(stream)).policy.epoch == "2"


def test_a_stream_answers_each_message_and_ends_when_the_client_does(port: Port) -> None:
    stream = port.stream(EVALUATE_STREAM, iter([asked(1, 2), asked(3)]))
    assert [ids(each) for each in stream] == [[1, 2], [3]]


async def test_an_asynchronous_stream_does_the_same(async_port: AsyncPort) -> None:
    async with aclosing(async_port.stream(EVALUATE_STREAM, once(asked(1, 2), asked(3)))) as stream:
        assert [ids(each) async for each in stream] == [[1, 2], [3]]


def test_a_drain_ends_streams_with_its_status(governd: FakeGovernd, port: Port) -> None:
    stream = port.stream(WATCH_EPOCH, iter([WATCH]))
    next(stream)
    governd.drain()
    with pytest.raises(UnavailableError) as raised:
        list(stream)
    assert raised.value.reason == "DRAINING"


async def test_a_drain_ends_asynchronous_streams_with_its_status(
    governd: FakeGovernd, async_port: AsyncPort
) -> None:
    async with aclosing(async_port.stream(WATCH_EPOCH, watch())) as stream:
        await anext(stream)
        governd.drain()
        with pytest.raises(UnavailableError) as raised:
            [_ async for _ in stream]
    assert raised.value.reason == "DRAINING"


def test_a_stream_that_is_cancelled_wakes_who_reads_it(governd: FakeGovernd, port: Port) -> None:
    governd.silent()
    stream = port.stream(WATCH_EPOCH, iter([WATCH]))
    threading.Timer(0.05, stream.cancel).start()
    with pytest.raises(UnavailableError):
        next(stream)


def test_a_refused_stream_says_why(governd: FakeGovernd, port: Port) -> None:
    governd.refusals["EvaluateStream"] = status_of("RESOURCE_EXHAUSTED", "STREAMS_LIMITED")
    with pytest.raises(LimitExceededError) as raised:
        list(port.stream(EVALUATE_STREAM, iter([asked(1)])))
    assert raised.value.reason == "STREAMS_LIMITED"


async def test_a_refused_asynchronous_stream_says_why(
    governd: FakeGovernd, async_port: AsyncPort
) -> None:
    governd.refusals["EvaluateStream"] = status_of("RESOURCE_EXHAUSTED", "STREAMS_LIMITED")
    with pytest.raises(LimitExceededError) as raised:
        [_ async for _ in async_port.stream(EVALUATE_STREAM, once(asked(1)))]
    assert raised.value.reason == "STREAMS_LIMITED"


def test_a_closed_port_refuses_typed(port: Port) -> None:
    port.close()
    with pytest.raises(UnavailableError):
        port.call(EVALUATE, LOG, TERMS)
    with pytest.raises(UnavailableError):
        port.send(REGISTER_TOOLS, registration(), TERMS)
    with pytest.raises(UnavailableError):
        list(port.stream(EVALUATE_STREAM, iter([asked(1)])))


async def test_a_closed_asynchronous_port_refuses_typed(async_port: AsyncPort) -> None:
    await async_port.close()
    with pytest.raises(UnavailableError):
        await async_port.call(EVALUATE, LOG, TERMS)
    with pytest.raises(UnavailableError):
        await async_port.send(REGISTER_TOOLS, registration(), TERMS)
    with pytest.raises(UnavailableError):
        [_ async for _ in async_port.stream(EVALUATE_STREAM, once(asked(1)))]


def test_leases_and_reports_are_what_the_test_set(governd: FakeGovernd, port: Port) -> None:
    governd.rule = lambda _: permit()
    governd.lease, governd.epoch = 2.5, "boot:7"
    evaluation = port.call(EVALUATE, LOG, TERMS).evaluation
    assert (evaluation.policy.epoch, evaluation.lease.valid_for.ToMilliseconds()) == (
        "boot:7",
        2500,
    )
    report = policy_service_pb2.ReportOutcomeRequest()
    report.lease_uses.add(decision_id=evaluation.decision_id, uses=3)
    port.call(REPORT_OUTCOME, report, TERMS)
    assert governd.reports == [report]


def test_a_request_that_is_a_stream_arrives_whole_and_has_one_answer(
    governd: FakeGovernd, port: Port
) -> None:
    answer = port.send(REGISTER_TOOLS, registration(), TERMS)
    assert (answer.server, answer.active, answer.policy.epoch) == ("git", 2, "1")
    [taken] = governd.registrations
    assert [len(each.definition_json) for each in taken.definitions] == [100_000, 2]


async def test_an_asynchronous_one_does_the_same(
    governd: FakeGovernd, async_port: AsyncPort
) -> None:
    answer = await async_port.send(REGISTER_TOOLS, registration(), TERMS)
    assert (answer.server, answer.active, answer.policy.epoch) == ("git", 2, "1")
    [taken] = governd.registrations
    assert [len(each.definition_json) for each in taken.definitions] == [100_000, 2]


def test_a_refused_registration_says_why(governd: FakeGovernd, port: Port) -> None:
    governd.refusals["RegisterTools"] = status_of("FAILED_PRECONDITION", "SERVER_UNKNOWN")
    with pytest.raises(ServerUnknownError):
        port.send(REGISTER_TOOLS, registration(), TERMS)


async def test_a_refused_asynchronous_registration_says_why(
    governd: FakeGovernd, async_port: AsyncPort
) -> None:
    governd.refusals["RegisterTools"] = status_of("RESOURCE_EXHAUSTED", "REGISTRATION_TOO_LARGE")
    with pytest.raises(RegistrationTooLargeError):
        await async_port.send(REGISTER_TOOLS, registration(), TERMS)


def test_lists_are_filtered_as_the_test_set(governd: FakeGovernd, port: Port) -> None:
    request = tool_service_pb2.FilterToolsRequest(server="git")
    request.definitions.add(name="git_log")
    assert not port.call(FILTER_TOOLS, request, TERMS).shown
    governd.shows, governd.lease = show_all, 2.5
    answer = port.call(FILTER_TOOLS, request, TERMS)
    assert (list(answer.shown), answer.lease.valid_for.ToMilliseconds()) == ([0], 2500)


def test_a_wait_tells_what_it_waits_for_and_ends_when_it_is_there(
    governd: FakeGovernd, port: Port
) -> None:
    governd.waits_for = "no registration entry matches"
    stream = port.stream(WAIT_READY, iter([WAIT]))
    first = next(stream)
    governd.waits_for = "SPIRE agent is away"
    second = next(stream)
    governd.waits_for = ""
    assert [each.phase for each in stream] == [identity_service_pb2.PHASE_READY]
    assert first.reason == "no registration entry matches"
    assert (second.phase, second.reason) == (
        identity_service_pb2.PHASE_WAITING,
        "SPIRE agent is away",
    )


async def test_an_asynchronous_wait_does_the_same(
    governd: FakeGovernd, async_port: AsyncPort
) -> None:
    governd.waits_for = "no registration entry matches"

    async def wait() -> AsyncIterator[identity_service_pb2.WaitReadyRequest]:
        yield WAIT

    async with aclosing(async_port.stream(WAIT_READY, wait())) as stream:
        assert (await anext(stream)).reason == "no registration entry matches"
        governd.waits_for = ""
        assert [each.phase async for each in stream] == [identity_service_pb2.PHASE_READY]


def test_who_waits_has_no_spiffe_id_yet(governd: FakeGovernd, port: Port) -> None:
    governd.waits_for = "no registration entry matches"
    answer = port.call(WHO_AM_I, identity_service_pb2.WhoAmIRequest(), TERMS)
    assert (answer.spiffe_id, answer.phase, answer.reason) == (
        "",
        identity_service_pb2.PHASE_WAITING,
        "no registration entry matches",
    )
    governd.waits_for = ""
    answer = port.call(WHO_AM_I, identity_service_pb2.WhoAmIRequest(), TERMS)
    assert (answer.spiffe_id, answer.phase) == (
        governd.spiffe_id,
        identity_service_pb2.PHASE_READY,
    )
