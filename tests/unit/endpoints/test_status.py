"""Errors on the wire."""

import inspect
import math

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status
from hypothesis import given
from hypothesis import strategies as st

from governd import errors
from governd._proto.governd.v1 import error_reason_pb2
from governd.endpoints import status
from governd.errors import (
    ArgumentsError,
    GoverndError,
    ListenerError,
    MessageTooLargeError,
    RateLimitedError,
    RequestError,
)

PREFIX = "ERROR_REASON_"
DETAILS: tuple[type[Message], ...] = (
    error_details_pb2.ErrorInfo,
    error_details_pb2.BadRequest,
    error_details_pb2.RetryInfo,
)


def details(found: Status) -> dict[str, Message]:
    """The details of a status by the name of their type, of which each comes once."""
    unpacked: dict[str, Message] = {}
    for packed in found.details:
        (kind,) = [kind for kind in DETAILS if packed.Is(kind.DESCRIPTOR)]
        assert kind.__name__ not in unpacked
        unpacked[kind.__name__] = kind.FromString(packed.value)
    return unpacked


def test_every_reason_of_the_api_has_a_status_code_and_no_other_has() -> None:
    names = error_reason_pb2.ErrorReason.keys()
    assert set(status.CODES) == {name.removeprefix(PREFIX) for name in names} - {"UNSPECIFIED"}


def test_every_error_class_has_a_reason_of_the_api_or_is_internal() -> None:
    classes = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]
    for kind in classes:
        if issubclass(kind, GoverndError):
            reason = kind.reason if kind.reason in status.CODES else "INTERNAL"
            assert status._reason(kind.__new__(kind)) == reason


def test_a_bad_field_is_named_in_error_info_and_bad_request() -> None:
    error = ArgumentsError("amount: not a number", field="context.arguments_json.amount")
    wire = status.to_wire(error)
    assert wire.code is grpc.StatusCode.INVALID_ARGUMENT
    assert wire.message == "amount: not a number"
    found = details(status.to_status(error))
    info, request = found["ErrorInfo"], found["BadRequest"]
    assert isinstance(info, error_details_pb2.ErrorInfo)
    assert isinstance(request, error_details_pb2.BadRequest)
    assert (info.reason, info.domain) == ("ARGUMENTS_INVALID", "governd")
    assert info.metadata == {"field": "context.arguments_json.amount"}
    (violation,) = request.field_violations
    assert violation.field == "context.arguments_json.amount"
    assert violation.description == "amount: not a number"
    assert "RetryInfo" not in found


def test_a_limit_says_when_to_come_back_rounded_up() -> None:
    error = RateLimitedError("slow down", retry_after=0.0000001, metadata={"limit_per_second": "5"})
    found = details(status.to_status(error))
    retry, info = found["RetryInfo"], found["ErrorInfo"]
    assert isinstance(retry, error_details_pb2.RetryInfo)
    assert isinstance(info, error_details_pb2.ErrorInfo)
    assert retry.retry_delay.ToMicroseconds() == 1
    assert info.metadata == {"limit_per_second": "5"}
    assert "BadRequest" not in found


def test_an_error_that_a_retry_cannot_help_has_no_retry_info() -> None:
    found = details(status.to_status(MessageTooLargeError("too large")))
    assert set(found) == {"ErrorInfo"}


@pytest.mark.parametrize("kind", [GoverndError, ListenerError])
def test_a_fault_tells_nothing_of_itself(kind: type[GoverndError]) -> None:
    error = kind("/secret/path", field="secret", retry_after=1.0, metadata={"secret": "secret"})
    wire = status.to_wire(error)
    assert (wire.reason, wire.code) == ("INTERNAL", grpc.StatusCode.INTERNAL)
    assert wire.message == "internal error"
    assert b"secret" not in status.to_status(error).SerializeToString()


@given(
    message=st.text(max_size=20_000),
    field=st.text(max_size=2_000),
    metadata=st.dictionaries(st.text(max_size=300), st.text(max_size=3_000), max_size=20),
    retry_after=st.none() | st.floats(min_value=0, max_value=1e6),
)
def test_trailers_stay_below_eight_kibibytes_whatever_an_error_says(
    message: str, field: str, metadata: dict[str, str], retry_after: float | None
) -> None:
    error = RequestError(message, field=field, retry_after=retry_after, metadata=metadata)
    wire = status.to_wire(error)
    ((_, encoded),) = wire.trailers
    percent = sum(1 if 0x20 <= byte < 0x7F else 3 for byte in wire.message.encode())
    assert percent + math.ceil(len(encoded) / 3) * 4 < 7.5 * 1024
    assert Status.FromString(encoded).message == wire.message


def test_a_message_that_is_cut_says_so_and_stays_whole_characters() -> None:
    wire = status.to_wire(RequestError("ü" * 10_000))
    assert wire.message.endswith("ü...")
