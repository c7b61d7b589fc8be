"""The table from governd's reasons and gRPC's codes to typed errors."""

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

import governd_client
from governd_client._proto.governd.v1 import error_reason_pb2
from governd_client.errors import GoverndError
from governd_client.statuses import from_rpc, from_status

BY_REASON = {
    "REQUEST_INVALID": governd_client.InvalidRequestError,
    "ARGUMENTS_INVALID": governd_client.ArgumentsInvalidError,
    "SUBJECT_NOT_ALLOWED": governd_client.SubjectNotAllowedError,
    "MESSAGE_TOO_LARGE": governd_client.LimitExceededError,
    "RATE_LIMITED": governd_client.LimitExceededError,
    "CONCURRENCY_LIMITED": governd_client.LimitExceededError,
    "STREAMS_LIMITED": governd_client.LimitExceededError,
    "SERVER_UNKNOWN": governd_client.ServerUnknownError,
    "SERVER_NOT_ALLOWED": governd_client.ServerNotAllowedError,
    "DEFINITION_INVALID": governd_client.DefinitionInvalidError,
    "REGISTRATION_TOO_LARGE": governd_client.RegistrationTooLargeError,
    "CARD_INVALID": governd_client.CardInvalidError,
    "AGENT_UNKNOWN": governd_client.AgentUnknownError,
    "MINT_REFUSED": governd_client.MintRefusedError,
    "EVIDENCE_INVALID": governd_client.EvidenceInvalidError,
    "EVIDENCE_UNAVAILABLE": governd_client.UnavailableError,
    "UPSTREAM_UNKNOWN": governd_client.UpstreamUnknownError,
    "TOKEN_REFUSED": governd_client.TokenRefusedError,
    "ISSUER_UNAVAILABLE": governd_client.UnavailableError,
    "DRAINING": governd_client.UnavailableError,
    "LOG_UNAVAILABLE": governd_client.UnavailableError,
    "IDENTITY_UNAVAILABLE": governd_client.UnavailableError,
    "IDENTITY_NOT_ISSUED": governd_client.UnavailableError,
    "CALLER_UNVERIFIED": governd_client.UnavailableError,
    "INTERNAL": governd_client.InternalError,
}
BY_CODE = {
    grpc.StatusCode.INVALID_ARGUMENT: governd_client.InvalidRequestError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: governd_client.LimitExceededError,
    grpc.StatusCode.UNAVAILABLE: governd_client.UnavailableError,
    grpc.StatusCode.CANCELLED: governd_client.UnavailableError,
    grpc.StatusCode.DEADLINE_EXCEEDED: governd_client.DeadlineExceededError,
    grpc.StatusCode.INTERNAL: governd_client.InternalError,
    grpc.StatusCode.UNKNOWN: governd_client.InternalError,
}


def _status(code: grpc.StatusCode, *details: object) -> status_pb2.Status:
    status = status_pb2.Status(code=code.value[0], message="what happened")
    for detail in details:
        status.details.add().Pack(detail)
    return status


def _info(reason: str, domain: str = "governd") -> error_details_pb2.ErrorInfo:
    return error_details_pb2.ErrorInfo(reason=reason, domain=domain, metadata={"limit": "8"})


@pytest.mark.parametrize(("reason", "kind"), BY_REASON.items())
def test_reason_decides_the_error(reason: str, kind: type[GoverndError]) -> None:
    error = from_status(_status(grpc.StatusCode.ABORTED, _info(reason)))
    assert type(error) is kind
    assert (error.reason, error.metadata) == (reason, {"limit": "8"})


@pytest.mark.parametrize("code", list(grpc.StatusCode))
def test_code_decides_where_there_is_no_reason(code: grpc.StatusCode) -> None:
    error = from_status(_status(code))
    assert type(error) is BY_CODE.get(code, GoverndError)
    assert error.code is code


def test_every_reason_of_the_proto_that_a_workload_can_meet_is_mapped() -> None:
    reasons = {
        name.removeprefix("ERROR_REASON_")
        for name in error_reason_pb2.ErrorReason.DESCRIPTOR.values_by_name
    }
    for_others = {"POLICY_INVALID", "DEFINITION_UNKNOWN", "APPROVAL_REFUSED", "VOLUME_REFUSED"}
    assert reasons - {"UNSPECIFIED"} - for_others == set(BY_REASON)


def test_reason_of_another_domain_does_not_count() -> None:
    error = from_status(_status(grpc.StatusCode.INTERNAL, _info("RATE_LIMITED", "elsewhere")))
    assert type(error) is governd_client.InternalError
    assert error.reason == ""


def test_field_and_retry_are_read() -> None:
    bad = error_details_pb2.BadRequest()
    bad.field_violations.add(field="action.name")
    retry = error_details_pb2.RetryInfo(retry_delay=Duration(nanos=250_000_000))
    error = from_status(_status(grpc.StatusCode.ABORTED, retry, bad, _info("RATE_LIMITED")))
    assert isinstance(error, governd_client.LimitExceededError)
    assert (error.field, error.retry_after) == ("action.name", 0.25)


def test_detail_that_cannot_be_read_leaves_the_status() -> None:
    status = _status(grpc.StatusCode.UNAVAILABLE)
    url = "type.googleapis.com/google.rpc.ErrorInfo"
    status.details.append(AnyMessage(type_url=url, value=b"\xff"))
    error = from_status(status)
    assert type(error) is governd_client.UnavailableError


def test_unknown_status_number_is_an_error_all_the_same() -> None:
    assert type(from_status(status_pb2.Status(code=99))) is governd_client.InternalError


def _rpc_error(trailers: bytes) -> grpc.aio.AioRpcError:
    metadata = grpc.aio.Metadata(("grpc-status-details-bin", trailers))
    return grpc.aio.AioRpcError(
        grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), metadata, details="away"
    )


@pytest.mark.parametrize(
    "trailers",
    [b"\xff\xff", _status(grpc.StatusCode.OK).SerializeToString()],
    ids=["no status", "contradicts the status"],
)
def test_details_worth_nothing_leave_the_status(trailers: bytes) -> None:
    error = from_rpc(_rpc_error(trailers))
    assert type(error) is governd_client.UnavailableError
    assert str(error) == "away"


def test_deadline_and_absence_are_caught_by_one_name() -> None:
    assert issubclass(governd_client.DeadlineExceededError, governd_client.UnavailableError)


def test_failed_call_without_a_status_is_an_error() -> None:
    assert type(from_rpc(grpc.RpcError())) is GoverndError
