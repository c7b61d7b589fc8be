"""What it means that a call to a SPIRE agent failed.

The agent has few codes and tells some reasons by their text alone (SPIRE 1.13,
``pkg/agent/api/delegatedidentity/v1/service.go``). A text that is not known here still has
its code, and the worse of what that can mean.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import grpc

from governd.errors import (
    IdentityError,
    InvalidIdentityError,
    NoIdentityError,
    NotDelegateError,
    SourceAwayError,
)

_NO_IDENTITY = "no identity issued"
_MOST_SHOWN = 200
# As gRPC quotes strerror(3) when it cannot connect.
_CONNECT_PROBLEMS = {
    "No such file or directory": "there is no socket at {socket}",
    "Connection refused": "nobody listens on {socket}",
    "Permission denied": "governd may not open {socket}",
}


def subscription_error(error: grpc.aio.AioRpcError, socket: Path) -> IdentityError:
    """Why a subscription broke, or never began."""
    if error.code() is grpc.StatusCode.PERMISSION_DENIED:
        if _NO_IDENTITY in (error.details() or ""):
            message = "no registration entry matches governd itself"
            return NotDelegateError(message)
        message = "governd is not an authorized delegate of the SPIRE agent"
        return NotDelegateError(message)
    return _MEANING.get(error.code(), _away)(_said(error), socket)


def fetch_error(error: grpc.aio.AioRpcError, socket: Path) -> IdentityError:
    """Why JWT-SVIDs cannot be had.

    ``no identity issued`` may then be said of the workload and of governd itself; of
    governd it is said to every subscription as well.
    """
    denied = error.code() is grpc.StatusCode.PERMISSION_DENIED
    if denied and _NO_IDENTITY in (error.details() or ""):
        message = "no registration entry matches"
        return NoIdentityError(message)
    return subscription_error(error, socket)


def _away(said: str, socket: Path) -> IdentityError:
    for text, problem in _CONNECT_PROBLEMS.items():
        if text in said:
            return SourceAwayError(f"SPIRE agent is away: {problem.format(socket=socket)}")
    return SourceAwayError(f"SPIRE agent is away: {said[:_MOST_SHOWN]}")


def _not_an_agent(_said: str, socket: Path) -> IdentityError:
    return NotDelegateError(f"{socket} is not the admin socket of a SPIRE agent")


def _refused(said: str, _socket: Path) -> IdentityError:
    return NoIdentityError(f"the SPIRE agent refuses the workload: {said[:_MOST_SHOWN]}")


def _too_large(said: str, _socket: Path) -> IdentityError:
    return InvalidIdentityError(f"the SPIRE agent says too much: {said[:_MOST_SHOWN]}")


_MEANING: Mapping[grpc.StatusCode, Callable[[str, Path], IdentityError]] = {
    grpc.StatusCode.UNIMPLEMENTED: _not_an_agent,
    grpc.StatusCode.INVALID_ARGUMENT: _refused,
    grpc.StatusCode.RESOURCE_EXHAUSTED: _too_large,
}


def _said(error: grpc.aio.AioRpcError) -> str:
    text = "".join(char if char.isprintable() else " " for char in error.details() or "")
    return f"{error.code().name}: {text}"
