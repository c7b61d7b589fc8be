"""What it means that a SPIRE agent answers with an error."""

from pathlib import Path

import grpc
import pytest

from governd.adapters.spire_errors import fetch_error, subscription_error
from governd.errors import (
    IdentityError,
    InvalidIdentityError,
    NoIdentityError,
    NotDelegateError,
    SourceAwayError,
)

SOCKET = Path("/run/spire/admin.sock")
Code = grpc.StatusCode


def error_of(code: grpc.StatusCode, details: str | None) -> grpc.aio.AioRpcError:
    empty = grpc.aio.Metadata()
    return grpc.aio.AioRpcError(code, empty, empty, details=details)


CASES = [
    (Code.PERMISSION_DENIED, "no identity issued", NotDelegateError, "matches governd itself"),
    (
        *(Code.PERMISSION_DENIED, "caller not configured as an authorized delegate"),
        *(NotDelegateError, "not an authorized delegate"),
    ),
    (Code.PERMISSION_DENIED, None, NotDelegateError, "not an authorized delegate"),
    (Code.UNIMPLEMENTED, "unknown service", NotDelegateError, "not the admin socket"),
    (Code.INVALID_ARGUMENT, "no selectors", NoIdentityError, "no selectors"),
    (Code.RESOURCE_EXHAUSTED, "larger than max", InvalidIdentityError, "larger than max"),
    (Code.INTERNAL, "workload attestation failed", SourceAwayError, "attestation failed"),
    (Code.DEADLINE_EXCEEDED, "Deadline", SourceAwayError, "DEADLINE_EXCEEDED"),
    (Code.UNKNOWN, None, SourceAwayError, "UNKNOWN"),
    (
        Code.UNAVAILABLE,
        "error: No such file or directory (2)",
        SourceAwayError,
        "no socket at /run",
    ),
    (Code.UNAVAILABLE, "x" * 500 + "Connection refused", SourceAwayError, "nobody listens on /run"),
    (Code.UNAVAILABLE, "Permission denied", SourceAwayError, "may not open /run"),
    (Code.UNAVAILABLE, "Socket closed", SourceAwayError, "Socket closed"),
]


@pytest.mark.parametrize(("code", "details", "kind", "told"), CASES)
def test_each_error_has_a_meaning(
    code: grpc.StatusCode, details: str | None, kind: type[IdentityError], told: str
) -> None:
    for mean in (subscription_error, fetch_error):
        if (mean, details) != (fetch_error, "no identity issued"):
            error = mean(error_of(code, details), SOCKET)
            assert type(error) is kind
            assert told in str(error)


def test_no_identity_for_a_token_is_said_of_the_workload() -> None:
    error = fetch_error(error_of(Code.PERMISSION_DENIED, "no identity issued"), SOCKET)
    assert type(error) is NoIdentityError


def test_what_an_agent_says_is_bounded_and_printable() -> None:
    error = subscription_error(error_of(Code.UNKNOWN, "\x1b[31m\n" + "a" * 10_000), SOCKET)
    assert str(error).isprintable()
    assert len(str(error)) < 300
