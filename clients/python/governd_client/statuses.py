"""Which error a failed call is, by the status that governd gave.

The mapping follows ``governd/v1/error_reason.proto``: the reason in
``google.rpc.ErrorInfo`` (domain ``governd``) decides the class, and the gRPC status code
where there is no reason or one this client does not know.
"""

from collections.abc import Mapping
from typing import Final, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

from governd_client.errors import (
    AgentUnknownError,
    ArgumentsInvalidError,
    CardInvalidError,
    DeadlineExceededError,
    DefinitionInvalidError,
    EvidenceInvalidError,
    GoverndError,
    InternalError,
    InvalidRequestError,
    LimitExceededError,
    MintRefusedError,
    RegistrationTooLargeError,
    ServerNotAllowedError,
    ServerUnknownError,
    SubjectNotAllowedError,
    TokenRefusedError,
    UnavailableError,
    UpstreamUnknownError,
)

_DOMAIN: Final = "governd"
_DETAILS: Final = "grpc-status-details-bin"
_M = TypeVar("_M", bound=Message)

_BY_REASON: Final[Mapping[str, type[GoverndError]]] = {
    "REQUEST_INVALID": InvalidRequestError,
    "ARGUMENTS_INVALID": ArgumentsInvalidError,
    "SUBJECT_NOT_ALLOWED": SubjectNotAllowedError,
    "MESSAGE_TOO_LARGE": LimitExceededError,
    "RATE_LIMITED": LimitExceededError,
    "CONCURRENCY_LIMITED": LimitExceededError,
    "STREAMS_LIMITED": LimitExceededError,
    "SERVER_UNKNOWN": ServerUnknownError,
    "SERVER_NOT_ALLOWED": ServerNotAllowedError,
    "DEFINITION_INVALID": DefinitionInvalidError,
    "REGISTRATION_TOO_LARGE": RegistrationTooLargeError,
    "CARD_INVALID": CardInvalidError,
    "AGENT_UNKNOWN": AgentUnknownError,
    "MINT_REFUSED": MintRefusedError,
    "EVIDENCE_INVALID": EvidenceInvalidError,
    "EVIDENCE_UNAVAILABLE": UnavailableError,
    "UPSTREAM_UNKNOWN": UpstreamUnknownError,
    "TOKEN_REFUSED": TokenRefusedError,
    "ISSUER_UNAVAILABLE": UnavailableError,
    "DRAINING": UnavailableError,
    "LOG_UNAVAILABLE": UnavailableError,
    "IDENTITY_UNAVAILABLE": UnavailableError,
    "IDENTITY_NOT_ISSUED": UnavailableError,
    "CALLER_UNVERIFIED": UnavailableError,
    "INTERNAL": InternalError,
}

_BY_CODE: Final[Mapping[grpc.StatusCode, type[GoverndError]]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequestError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: LimitExceededError,
    grpc.StatusCode.UNAVAILABLE: UnavailableError,
    grpc.StatusCode.CANCELLED: UnavailableError,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceededError,
    grpc.StatusCode.INTERNAL: InternalError,
    grpc.StatusCode.UNKNOWN: InternalError,
}

_CODES: Final[Mapping[int, grpc.StatusCode]] = {code.value[0]: code for code in grpc.StatusCode}


def from_status(status: status_pb2.Status) -> GoverndError:
    """The typed error for a rich status, such as one question's in a batch."""
    info = _detail(status, error_details_pb2.ErrorInfo())
    retry = _detail(status, error_details_pb2.RetryInfo()).retry_delay
    violations = _detail(status, error_details_pb2.BadRequest()).field_violations
    code = _CODES.get(status.code, grpc.StatusCode.UNKNOWN)
    reason = info.reason if info.domain == _DOMAIN else ""
    kind = _BY_REASON.get(reason) or _BY_CODE.get(code, GoverndError)
    return kind(
        status.message,
        code=code,
        reason=reason,
        field=violations[0].field if violations else info.metadata.get("field", ""),
        retry_after=retry.seconds + retry.nanos / 1e9 or None,
        metadata=info.metadata,
    )


def _detail(status: status_pb2.Status, into: _M) -> _M:
    """The first detail of that kind; the empty message where none can be read."""
    for detail in status.details:
        try:
            if detail.Unpack(into):
                return into
        except DecodeError:
            # A detail that cannot be read is no detail; the status itself still counts.
            into.Clear()
    return into


def from_rpc(error: grpc.RpcError) -> GoverndError:
    """The typed error for a failed call, synchronous or ``grpc.aio``."""
    if not isinstance(error, grpc.Call | grpc.aio.AioRpcError):
        return GoverndError("the call failed without a status")
    plain = status_pb2.Status(code=error.code().value[0], message=error.details() or "")
    for key, value in error.trailing_metadata() or ():
        if key == _DETAILS and isinstance(value, bytes):
            try:
                rich = status_pb2.Status.FromString(value)
            except DecodeError:
                continue
            # Details that contradict the status are worth nothing; the status itself counts.
            if rich.code == plain.code:
                return from_status(rich)
    return from_status(plain)
