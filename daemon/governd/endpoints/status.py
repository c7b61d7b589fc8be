"""Errors as gRPC statuses.

One table says which status code each ErrorReason has (``error_reason.proto``). On the
wire an error is a ``google.rpc.Status`` with exactly one ``ErrorInfo`` (domain
``governd``), a ``BadRequest`` where a field is to blame, and a ``RetryInfo`` where a retry
helps (AIP-193, https://google.aip.dev/193).

Invariants:
    * A fault of governd's own, and an error whose reason is not part of the API, is
      INTERNAL and says nothing else.
    * Trailers stay below 8 KiB, what gRPC clients accept unless told otherwise. Percent
      encoding of the message and base64 of the details count.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status

from governd.errors import GoverndError

DOMAIN = "governd"
INTERNAL = "INTERNAL"
DETAILS_KEY = "grpc-status-details-bin"

CODES: Mapping[str, grpc.StatusCode] = {
    "REQUEST_INVALID": grpc.StatusCode.INVALID_ARGUMENT,
    "ARGUMENTS_INVALID": grpc.StatusCode.INVALID_ARGUMENT,
    "SUBJECT_NOT_ALLOWED": grpc.StatusCode.PERMISSION_DENIED,
    "CALLER_UNVERIFIED": grpc.StatusCode.UNAUTHENTICATED,
    "MESSAGE_TOO_LARGE": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "RATE_LIMITED": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "CONCURRENCY_LIMITED": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "STREAMS_LIMITED": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "DRAINING": grpc.StatusCode.UNAVAILABLE,
    "LOG_UNAVAILABLE": grpc.StatusCode.UNAVAILABLE,
    "POLICY_INVALID": grpc.StatusCode.FAILED_PRECONDITION,
    "SERVER_UNKNOWN": grpc.StatusCode.FAILED_PRECONDITION,
    "SERVER_NOT_ALLOWED": grpc.StatusCode.PERMISSION_DENIED,
    "DEFINITION_INVALID": grpc.StatusCode.INVALID_ARGUMENT,
    "REGISTRATION_TOO_LARGE": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "DEFINITION_UNKNOWN": grpc.StatusCode.NOT_FOUND,
    "APPROVAL_REFUSED": grpc.StatusCode.FAILED_PRECONDITION,
    "IDENTITY_UNAVAILABLE": grpc.StatusCode.UNAVAILABLE,
    "IDENTITY_NOT_ISSUED": grpc.StatusCode.PERMISSION_DENIED,
    "VOLUME_REFUSED": grpc.StatusCode.FAILED_PRECONDITION,
    "MINT_REFUSED": grpc.StatusCode.PERMISSION_DENIED,
    "CARD_INVALID": grpc.StatusCode.INVALID_ARGUMENT,
    "AGENT_UNKNOWN": grpc.StatusCode.NOT_FOUND,
    "EVIDENCE_INVALID": grpc.StatusCode.PERMISSION_DENIED,
    "EVIDENCE_UNAVAILABLE": grpc.StatusCode.UNAVAILABLE,
    "UPSTREAM_UNKNOWN": grpc.StatusCode.NOT_FOUND,
    "TOKEN_REFUSED": grpc.StatusCode.FAILED_PRECONDITION,
    "ISSUER_UNAVAILABLE": grpc.StatusCode.UNAVAILABLE,
    INTERNAL: grpc.StatusCode.INTERNAL,
}

_INTERNAL_MESSAGE = "internal error"
_TRAILER_BYTES = 7 * 1024
_MESSAGE_BYTES = 4096
_FIELD_BYTES = 256
_METADATA_ENTRIES = 8
_METADATA_KEY_BYTES = 64
_METADATA_VALUE_BYTES = 256
_ELLIPSIS = "..."


@dataclass(frozen=True, slots=True)
class WireError:
    """An error, ready for ``ServicerContext.abort``.

    Attributes:
        reason: Its ErrorReason.
        code: Its status code.
        message: What went wrong; empty of details for INTERNAL.
        trailers: Metadata with the encoded ``google.rpc.Status``.
    """

    reason: str
    code: grpc.StatusCode
    message: str
    trailers: tuple[tuple[str, bytes], ...]


def to_wire(error: GoverndError) -> WireError:
    """What an error looks like to gRPC."""
    limit = _MESSAGE_BYTES
    status = to_status(error)
    while _wire_bytes(status) > _TRAILER_BYTES:
        limit //= 2
        status = _status(error, limit)
    reason = _reason(error)
    trailers = ((DETAILS_KEY, status.SerializeToString()),)
    return WireError(reason, CODES[reason], status.message, trailers)


def to_status(error: GoverndError) -> Status:
    """An error as a message, e.g. for one question of a batch."""
    return _status(error, _MESSAGE_BYTES)


def _reason(error: GoverndError) -> str:
    return error.reason if error.reason in CODES else INTERNAL


def _status(error: GoverndError, limit: int) -> Status:
    reason = _reason(error)
    if reason == INTERNAL:
        message, details = _INTERNAL_MESSAGE, [_packed(_error_info(reason, {}))]
    else:
        message, details = _cut(str(error), limit), _details(error, reason, limit)
    return Status(code=CODES[reason].value[0], message=message, details=details)


def _details(error: GoverndError, reason: str, limit: int) -> list[Any]:
    metadata = {"field": error.field, **error.metadata} if error.field else error.metadata
    details = [_packed(_error_info(reason, metadata))]
    if error.field:
        description = _cut(str(error), limit // 4)
        details.append(_packed(_bad_request(error.field, description)))
    if error.retry_after is not None:
        details.append(_packed(_retry_info(error.retry_after)))
    return details


def _error_info(reason: str, metadata: Mapping[str, str]) -> Message:
    bounded = {
        _cut(key, _METADATA_KEY_BYTES): _cut(value, _METADATA_VALUE_BYTES)
        for key, value in list(metadata.items())[:_METADATA_ENTRIES]
    }
    info: Message = error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata=bounded)
    return info


def _bad_request(field: str, description: str) -> Message:
    violation = error_details_pb2.BadRequest.FieldViolation(
        field=_cut(field, _FIELD_BYTES), description=description
    )
    request: Message = error_details_pb2.BadRequest(field_violations=[violation])
    return request


def _retry_info(seconds: float) -> Message:
    # Rounded up to a microsecond: who comes back on time must not be early.
    delay = Duration()
    delay.FromMicroseconds(math.ceil(seconds * 1_000_000))
    info: Message = error_details_pb2.RetryInfo(retry_delay=delay)
    return info


def _packed(detail: Message) -> Any:
    packed = Any()
    packed.Pack(detail)
    return packed


def _cut(text: str, limit: int) -> str:
    """``text`` as valid UTF-8 of at most ``limit`` bytes."""
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= limit:
        return encoded.decode()
    return encoded[: limit - len(_ELLIPSIS)].decode("utf-8", "ignore") + _ELLIPSIS


def _wire_bytes(status: Status) -> int:
    """Bytes in trailers: the percent-encoded message, and the details in base64."""
    message = sum(1 if 0x20 <= byte < 0x7F else 3 for byte in status.message.encode())  # noqa: PLR2004
    return message + math.ceil(len(status.SerializeToString()) / 3) * 4
