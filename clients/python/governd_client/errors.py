"""What can go wrong when governd is asked, as one small tree.

None of these is ever an allow: whoever asks and gets an exception has no permission. A
deny is an answer and no error, unless the caller asked with ``require``, which raises
``DeniedError``.

The mapping follows ``governd/v1/error_reason.proto``: the reason in
``google.rpc.ErrorInfo`` (domain ``governd``) decides the class, and the gRPC status code
where there is no reason or one this client does not know.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

if TYPE_CHECKING:
    from governd_client.decision import Decision

CLOSED: Final = "the client is closed"
_DOMAIN: Final = "governd"
_DETAILS: Final = "grpc-status-details-bin"
_M = TypeVar("_M", bound=Message)


class GoverndError(Exception):
    """Base of the tree: governd gave no usable answer.

    Attributes:
        code: The gRPC status, ``None`` where the call was never made.
        reason: governd's reason, ``""`` where it gave none.
        field: Path of the offending request field, ``""`` for none.
        retry_after: Seconds after which a retry may help, ``None`` if not told.
        metadata: Further facts that governd gave.
    """

    def __init__(
        self,
        message: str,
        *,
        code: grpc.StatusCode | None = None,
        reason: str = "",
        field: str = "",
        retry_after: float | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Keeps the message and what is known beside it."""
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.field = field
        self.retry_after = retry_after
        self.metadata = dict(metadata or {})


class TargetError(GoverndError):
    """The address of governd's socket is not one."""


class UnavailableError(GoverndError):
    """governd is away, draining, without an identity for us, or did not answer in time."""


class DeadlineExceededError(UnavailableError):
    """The deadline passed without an answer."""


class NotReadyError(DeadlineExceededError):
    """This workload got no identity in time.

    Attributes:
        waits_for: What it waited for last. For people: the words may change.
    """

    def __init__(
        self, message: str, *, waits_for: str, code: grpc.StatusCode | None = None
    ) -> None:
        """Keeps the message and what was waited for."""
        super().__init__(message, code=code)
        self.waits_for = waits_for


class InvalidRequestError(GoverndError):
    """A field of the question is missing, too long or malformed."""


class ArgumentsInvalidError(InvalidRequestError):
    """The arguments of the call break one of the rules for arguments."""


class DefinitionInvalidError(InvalidRequestError):
    """A definition breaks one of its rules; nothing of the registration was taken."""


class SubjectNotAllowedError(GoverndError):
    """This workload may not ask about that subject."""


class LimitExceededError(GoverndError):
    """A limit of this workload is used up; see ``retry_after``."""


class RegistrationTooLargeError(LimitExceededError):
    """A registration has more definitions or bytes than governd takes. Retrying is no help."""


class ServerUnknownError(GoverndError):
    """The policy declares no such MCP server; it may with its next change."""


class ServerNotAllowedError(GoverndError):
    """This workload is not the MCP server that it names."""


class InternalError(GoverndError):
    """A fault in governd."""


class MalformedAnswerError(GoverndError):
    """The answer is not one that governd may give."""


class CallerUnknownError(GoverndError):
    """The peer of a received call has no usable SPIFFE ID."""


class DeniedError(GoverndError):
    """The answer is a deny.

    Attributes:
        decision: The whole answer.
    """

    def __init__(self, decision: "Decision") -> None:
        """Keeps the decision; the message names its id and no policy."""
        super().__init__(f"denied (decision {decision.decision_id or 'none'})")
        self.decision = decision


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
