"""Calls about access tokens: an agent's for one, the operator's for those that are held."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from governd._proto.governd.v1 import (
    admin_service_pb2,
    admin_service_pb2_grpc,
    identity_service_pb2,
    identity_service_pb2_grpc,
    token_service_pb2,
    token_service_pb2_grpc,
)
from governd.cli import output
from governd.cli.connection import ADMIN, WORKLOAD, channel_to, reason_of
from governd.cli.failure import CANNOT_ASK, NO, Failure

_REFUSED = frozenset({"TOKEN_REFUSED", "MINT_REFUSED", "EVIDENCE_INVALID"})
"""Reasons that are an answer: no. Each has a rule."""


def get(
    path: Path, request: token_service_pb2.GetTokenRequest, timeout: float
) -> tuple[str, token_service_pb2.GetTokenResponse]:
    """Asks on a workload socket for an access token.

    Returns:
        The SPIFFE ID of who asked, as governd knows it, and the answer.
    """
    with channel_to(path, timeout, WORKLOAD) as channel, _explained():
        who = identity_service_pb2_grpc.IdentityServiceStub(channel).WhoAmI(
            identity_service_pb2.WhoAmIRequest(), timeout=timeout
        )
        stub = token_service_pb2_grpc.TokenServiceStub(channel)
        return who.spiffe_id, stub.GetToken(request, timeout=timeout)


def held(path: Path, upstream: str, timeout: float) -> admin_service_pb2.ListTokensResponse:
    """Asks on the admin socket which tokens are held; for ``""`` those for any upstream."""
    request = admin_service_pb2.ListTokensRequest(upstream=upstream)
    with channel_to(path, timeout, ADMIN) as channel:
        return admin_service_pb2_grpc.AdminServiceStub(channel).ListTokens(request, timeout=timeout)


@contextmanager
def _explained() -> Iterator[None]:
    """Says of a refusal by which rule it is, and of a server that is away when to come back."""
    try:
        yield
    except grpc.RpcError as error:
        if isinstance(error, grpc.Call) and (failure := _failure(error)):
            raise failure from error
        raise


def _failure(error: grpc.Call) -> Failure | None:
    """A refusal that is about tokens; ``None`` for one that every call may get."""
    reason, said = reason_of(error), error.details() or "no message"
    if reason in _REFUSED:
        return Failure(f"refused: {said} ({reason}{_rule(error)})", exit_code=NO)
    if reason == "ISSUER_UNAVAILABLE":
        return Failure(f"{said}{_again(error)} ({reason})", exit_code=CANNOT_ASK)
    return None


def _rule(error: grpc.Call) -> str:
    """Which rule it broke, and the server's own word where it was that which refused."""
    info = error_details_pb2.ErrorInfo()
    _unpack(error, info)
    words = (info.metadata.get(name, "") for name in ("rule", "error"))
    return "".join(f", {word}" for word in words if word)


def _again(error: grpc.Call) -> str:
    info = error_details_pb2.RetryInfo()
    if not _unpack(error, info):
        return ""
    return f"; try again in {output.duration(info.retry_delay.ToMilliseconds() / 1000)}"


def _unpack(
    error: grpc.Call, info: error_details_pb2.ErrorInfo | error_details_pb2.RetryInfo
) -> bool:
    """Whether a detail of that kind came with it; governd's errors have one of each."""
    status = rpc_status.from_call(error)
    return any(detail.Unpack(info) for detail in status.details) if status else False
