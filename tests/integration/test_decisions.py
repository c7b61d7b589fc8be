"""Questions through a real daemon's sockets."""

import json
from collections.abc import Iterator
from typing import Any, cast

import grpc
import pytest
from google.protobuf.json_format import ParseDict
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from grpc_status import rpc_status

from governd._proto.governd.v1 import (
    identity_service_pb2,
    identity_service_pb2_grpc,
    policy_service_pb2,
    policy_service_pb2_grpc,
    types_pb2,
)
from tests.integration.daemon_process import (
    DEMO_POLICY,
    LISTENERS,
    DaemonProcess,
    StartGovernd,
    prepare,
)

STATUS_ARGUMENTS = b'{"repo_path": "/srv/repo"}'
EVALUATE = "/governd.v1.PolicyService/Evaluate"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    """One daemon for all: no test here changes it."""
    folder = tmp_path_factory.mktemp("decisions") / "governd"
    daemon = prepare(folder, "", LISTENERS, DEMO_POLICY)
    daemon.start()
    try:
        yield daemon
        assert daemon.stop() == 0
    finally:
        daemon.kill()


@pytest.fixture
def writer(daemon: DaemonProcess) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(daemon.target("writer")) as channel:
        yield channel


def request(
    tool: str = "git_status", arguments: bytes = STATUS_ARGUMENTS, subject: str = ""
) -> policy_service_pb2.EvaluateRequest:
    return policy_service_pb2.EvaluateRequest(
        subject=types_pb2.Subject(id=subject) if subject else None,
        action=types_pb2.Action(name="tools/call"),
        resource=types_pb2.Resource(type="tool", id=f"git/{tool}"),
        context=types_pb2.Context(arguments_json=arguments),
    )


def evaluate(
    channel: grpc.Channel, asked: policy_service_pb2.EvaluateRequest
) -> types_pb2.Evaluation:
    stub = policy_service_pb2_grpc.PolicyServiceStub(channel)
    return stub.Evaluate(asked, timeout=5).evaluation


def refusal(channel: grpc.Channel, payload: bytes) -> tuple[grpc.StatusCode, str, list[str]]:
    """Status code, reason and blamed fields of a call with a raw message."""
    call: Any = channel.unary_unary(EVALUATE)
    with pytest.raises(grpc.RpcError) as raised:
        call(payload, timeout=5)
    status = rpc_status.from_call(cast("grpc.Call", raised.value))
    assert status is not None
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    assert status.details[0].Unpack(info)
    assert info.domain == "governd"
    fields = []
    for detail in status.details[1:]:
        if detail.Unpack(bad):
            fields = [violation.field for violation in bad.field_violations]
    return raised.value.code(), info.reason, fields


def test_a_permit_names_its_policy_and_is_on_record(
    daemon: DaemonProcess, writer: grpc.Channel
) -> None:
    answer = evaluate(writer, request())
    assert answer.decision
    assert answer.code == types_pb2.DECISION_CODE_PERMITTED
    assert list(answer.reasons) == ["base/capabilities-cover"]
    assert answer.policy.bundle_version == 1
    record = daemon.decisions()[-1]
    assert record["decision_id"] == answer.decision_id
    assert record["caller"] == LISTENERS["writer"]
    assert "srv" not in json.dumps(record), "arguments are kept as a digest only"


def test_the_caller_is_the_socket_s_identity_whatever_it_sends(writer: grpc.Channel) -> None:
    stub = identity_service_pb2_grpc.IdentityServiceStub(writer)
    metadata = (("x-spiffe-id", LISTENERS["reader"]), ("authorization", "Bearer reader"))
    answer = stub.WhoAmI(identity_service_pb2.WhoAmIRequest(), timeout=5, metadata=metadata)
    assert answer.spiffe_id == LISTENERS["writer"]
    assert answer.attestation == identity_service_pb2.ATTESTATION_STATIC


def test_one_agent_cannot_ask_as_another(writer: grpc.Channel) -> None:
    payload = request(subject=LISTENERS["reader"]).SerializeToString()
    assert refusal(writer, payload) == (
        grpc.StatusCode.PERMISSION_DENIED,
        "SUBJECT_NOT_ALLOWED",
        ["subject.id"],
    )


def test_a_server_may_ask_about_the_agent_whose_call_it_received(daemon: DaemonProcess) -> None:
    with grpc.insecure_channel(daemon.target("git")) as server:
        answer = evaluate(server, request("git_commit", subject=LISTENERS["reader"]))
        assert answer.code == types_pb2.DECISION_CODE_ARGUMENTS_MISMATCH  # message is missing
        arguments = b'{"repo_path": "/r", "message": "DEMO-1: x"}'
        answer = evaluate(server, request("git_commit", arguments, LISTENERS["reader"]))
    assert answer.code == types_pb2.DECISION_CODE_NOT_PERMITTED
    assert daemon.decisions()[-1]["asserted_by"] == LISTENERS["git"]
    assert daemon.decisions()[-1]["subject"] == LISTENERS["reader"]


def raw(**fields: Any) -> policy_service_pb2.EvaluateRequest:
    """A request from nested dictionaries, which may leave out what is required."""
    return ParseDict(fields, policy_service_pb2.EvaluateRequest())


CALL = {"name": "tools/call"}


@pytest.mark.parametrize(
    ("field", "asked"),
    [
        ("action.name", raw()),
        ("action.name", raw(action={"name": "a" * 257})),
        ("resource.type", raw(action=CALL)),
        ("resource.id", raw(action=CALL, resource={"type": "tool"})),
        ("resource.id", raw(action=CALL, resource={"type": "agent", "id": "spiffe://E/a"})),
        ("subject.id", request(subject="spiffe://example.org/../x")),
        ("subject.type", raw(subject={"type": "user", "id": "alice"})),
    ],
)
def test_a_malformed_request_names_its_field(
    writer: grpc.Channel, field: str, asked: policy_service_pb2.EvaluateRequest
) -> None:
    code, reason, fields = refusal(writer, asked.SerializeToString())
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_INVALID")
    assert fields == [field]


@pytest.mark.parametrize(
    ("attack", "arguments"),
    [
        ("duplicate members", b'{"repo_path": "/a", "repo_path": "/b"}'),
        ("an entity", b'{"repo_path": {"__entity": {"type": "Group", "id": "readers"}}}'),
        ("an extension", b'{"repo_path": [{"__extn": {"fn": "ip", "arg": "10.0.0.1"}}]}'),
        ("NaN", b'{"repo_path": NaN}'),
        ("infinity", b'{"repo_path": -Infinity}'),
        ("2^70", b'{"repo_path": 1180591620717411303424}'),
        ("seven fraction digits", b'{"repo_path": 0.1234567}'),
        ("invalid UTF-8", b'{"repo_path": "\xff"}'),
        ("half a surrogate pair", b'{"repo_path": "\\ud800"}'),
        ("NUL", b'{"repo_path": "/a\\u0000/b"}'),
        ("a hundred levels", b'{"a":' * 100 + b"1" + b"}" * 100),
        ("ten thousand levels", b"[" * 10_000),
        ("an oversized text", b'{"repo_path": "' + b"a" * 70_000 + b'"}'),
        ("no object", b"[]"),
    ],
)
def test_arguments_that_two_readers_could_take_differently_are_refused(
    writer: grpc.Channel, attack: str, arguments: bytes
) -> None:
    code, reason, fields = refusal(writer, request(arguments=arguments).SerializeToString())
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "ARGUMENTS_INVALID"), attack
    assert fields[0].startswith("context.arguments_json")


@pytest.mark.parametrize("payload", [b"\xff" * 9, b"\x12\x03\x0a\x01\xff", b"\x0a\xff\x01"])
def test_a_message_that_does_not_parse_is_refused(writer: grpc.Channel, payload: bytes) -> None:
    assert refusal(writer, payload)[:2] == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_INVALID")


def test_an_oversized_message_is_refused_with_its_limit(writer: grpc.Channel) -> None:
    payload = request(arguments=b" " * 300_000).SerializeToString()
    assert refusal(writer, payload)[:2] == (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "MESSAGE_TOO_LARGE",
    )


@pytest.mark.parametrize(
    "tool", ["git_statuѕ", "Git_status", "git_status ", "./git_status", "x/../git_status"]
)
def test_a_confusable_or_aliased_tool_name_is_an_unknown_tool(
    writer: grpc.Channel, tool: str
) -> None:
    answer = evaluate(writer, request(tool))
    assert answer.code == types_pb2.DECISION_CODE_UNKNOWN_RESOURCE
    assert not answer.decision


def batch(
    channel: grpc.Channel,
    *asked: policy_service_pb2.EvaluateRequest,
    semantic: str,
    **defaults: Any,
) -> list[types_pb2.Evaluation]:
    stub = policy_service_pb2_grpc.PolicyServiceStub(channel)
    message = policy_service_pb2.EvaluateBatchRequest(
        evaluations=asked,
        evaluations_semantic=policy_service_pb2.EvaluationsSemantic.Value(
            f"EVALUATIONS_SEMANTIC_{semantic}"
        ),
        **defaults,
    )
    return list(stub.EvaluateBatch(message, timeout=5).evaluations)


PARTS = ("action", "resource", "context")
ALLOWED, DENIED = request("git_status"), request("git_reset")


@pytest.mark.parametrize(
    ("semantic", "asked", "wanted"),
    [
        ("UNSPECIFIED", [ALLOWED, DENIED, ALLOWED], [True, False, True]),
        ("EXECUTE_ALL", [ALLOWED, DENIED, ALLOWED], [True, False, True]),
        ("DENY_ON_FIRST_DENY", [ALLOWED, DENIED, ALLOWED], [True, False]),
        ("DENY_ON_FIRST_DENY", [ALLOWED, ALLOWED], [True, True]),
        ("PERMIT_ON_FIRST_PERMIT", [DENIED, ALLOWED, DENIED], [False, True]),
        ("PERMIT_ON_FIRST_PERMIT", [DENIED, DENIED], [False, False]),
    ],
)
def test_a_batch_follows_authzen_s_semantics(
    writer: grpc.Channel,
    semantic: str,
    asked: list[policy_service_pb2.EvaluateRequest],
    wanted: list[bool],
) -> None:
    answers = batch(writer, *asked, semantic=semantic)
    assert [answer.decision for answer in answers] == wanted
    assert len({answer.decision_id for answer in answers}) == len(wanted)


def test_a_batch_s_defaults_fill_what_a_question_leaves_out(writer: grpc.Channel) -> None:
    only_context = policy_service_pb2.EvaluateRequest(context=ALLOWED.context)
    only_resource = policy_service_pb2.EvaluateRequest(resource=DENIED.resource)
    answers = batch(
        writer,
        only_context,
        only_resource,
        semantic="EXECUTE_ALL",
        action=ALLOWED.action,
        resource=ALLOWED.resource,
        context=ALLOWED.context,
    )
    assert [answer.decision for answer in answers] == [True, False]


def test_a_batch_without_questions_asks_its_defaults(writer: grpc.Channel) -> None:
    answers = batch(
        writer,
        semantic="EXECUTE_ALL",
        action=ALLOWED.action,
        resource=ALLOWED.resource,
        context=ALLOWED.context,
    )
    assert [answer.decision for answer in answers] == [True]


def test_a_question_that_cannot_be_asked_does_not_fail_the_others(writer: grpc.Channel) -> None:
    foreign = request(subject=LISTENERS["reader"])
    broken = request(arguments=b'{"a": 1, "a": 2}')
    answers = batch(writer, ALLOWED, foreign, broken, ALLOWED, semantic="EXECUTE_ALL")
    assert [answer.decision for answer in answers] == [True, False, False, True]
    assert [answer.error.code for answer in answers] == [0, 7, 3, 0]


def test_a_batch_beyond_its_limit_is_refused(governd: StartGovernd) -> None:
    daemon = governd("[limits]\nbatch_size = 2")
    channel = grpc.insecure_channel(daemon.target("writer"))
    with channel, pytest.raises(grpc.RpcError) as raised:
        batch(channel, ALLOWED, ALLOWED, ALLOWED, semantic="EXECUTE_ALL")
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_large_batch_holds_no_other_caller_up(daemon: DaemonProcess) -> None:
    """One caller's 256 different questions, and another's single one."""
    arguments = [json.dumps({"repo_path": f"{i}" * 200}).encode() for i in range(100, 356)]
    message = policy_service_pb2.EvaluateBatchRequest(
        evaluations=[request(arguments=each) for each in arguments]
    )
    with (
        grpc.insecure_channel(daemon.target("writer")) as busy,
        grpc.insecure_channel(daemon.target("reader")) as other,
    ):
        evaluate(other, ALLOWED)
        running = policy_service_pb2_grpc.PolicyServiceStub(busy).EvaluateBatch.future(message)
        answers = 0
        while not running.done():
            assert evaluate(other, ALLOWED).decision
            answers += 1
        assert len(running.result().evaluations) == 256
    assert answers > 2, "the other caller's questions were answered meanwhile"


def test_health_and_reflection_are_served_to_stock_tools(writer: grpc.Channel) -> None:
    health: Any = health_pb2_grpc.HealthStub(writer)
    names = ("PolicyService", "ToolService", "IdentityService")
    for service in ("", *(f"governd.v1.{name}" for name in names)):
        answer = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=5)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    with pytest.raises(grpc.RpcError) as raised:
        health.Check(health_pb2.HealthCheckRequest(service="nobody"), timeout=5)
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND
    services = ProtoReflectionDescriptorDatabase(writer).get_services()
    assert {
        "governd.v1.PolicyService",
        "governd.v1.ToolService",
        "grpc.health.v1.Health",
    } <= set(services)


def test_the_admin_service_is_not_on_a_workload_s_socket(writer: grpc.Channel) -> None:
    call: Any = writer.unary_unary("/governd.v1.AdminService/Status")
    with pytest.raises(grpc.RpcError) as raised:
        call(b"", timeout=5)
    assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED
