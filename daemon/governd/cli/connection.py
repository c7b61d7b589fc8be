"""Calls to governd: one channel, one timeout, and every failure as one line.

Imported by the verbs that are clients; they know governd by its protos alone.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

# gRPC's core logs to standard error on its own; what failed is told in one line here.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from governd._proto.governd.v1 import (
    admin_service_pb2,
    admin_service_pb2_grpc,
    delegation_service_pb2,
    delegation_service_pb2_grpc,
    identity_service_pb2,
    identity_service_pb2_grpc,
    policy_service_pb2,
    policy_service_pb2_grpc,
)
from governd.cli import socket_path
from governd.cli.failure import CANNOT_ASK, NO, USAGE, Failure

_OPTIONS = (("grpc.enable_http_proxy", 0), ("grpc.enable_retries", 0))
WORKLOAD, ADMIN = "a workload socket", "the admin socket"
_REFUSED = frozenset({"MINT_REFUSED", "EVIDENCE_INVALID"})
"""Reasons that are an answer: no."""
_HINT = "name another with --socket, --admin-socket or their variables"


def evaluate(
    path: Path, request: policy_service_pb2.EvaluateRequest, timeout: float
) -> policy_service_pb2.EvaluateResponse:
    """Asks a question on a workload socket."""
    with channel_to(path, timeout, WORKLOAD) as channel:
        return policy_service_pb2_grpc.PolicyServiceStub(channel).Evaluate(request, timeout=timeout)


def whoami(path: Path, timeout: float) -> identity_service_pb2.WhoAmIResponse:
    """Asks on a workload socket who calls."""
    request = identity_service_pb2.WhoAmIRequest()
    with channel_to(path, timeout, WORKLOAD) as channel:
        return identity_service_pb2_grpc.IdentityServiceStub(channel).WhoAmI(
            request, timeout=timeout
        )


def mint(
    path: Path, request: delegation_service_pb2.MintRequest, timeout: float
) -> delegation_service_pb2.MintResponse:
    """Asks on a workload socket for an acting-as token."""
    with channel_to(path, timeout, WORKLOAD) as channel:
        stub = delegation_service_pb2_grpc.DelegationServiceStub(channel)
        return stub.Mint(request, timeout=timeout)


def explain(
    path: Path, request: admin_service_pb2.ExplainRequest, timeout: float
) -> admin_service_pb2.ExplainResponse:
    """Asks on the admin socket why a question is answered as it is."""
    with channel_to(path, timeout, ADMIN) as channel:
        return admin_service_pb2_grpc.AdminServiceStub(channel).Explain(request, timeout=timeout)


def status(path: Path, timeout: float) -> admin_service_pb2.StatusResponse:
    """Asks on the admin socket what governd is and holds."""
    request = admin_service_pb2.StatusRequest()
    with channel_to(path, timeout, ADMIN) as channel:
        return admin_service_pb2_grpc.AdminServiceStub(channel).Status(request, timeout=timeout)


def callers(path: Path, timeout: float) -> admin_service_pb2.ListCallersResponse:
    """Asks on the admin socket who calls."""
    request = admin_service_pb2.ListCallersRequest()
    with channel_to(path, timeout, ADMIN) as channel:
        return admin_service_pb2_grpc.AdminServiceStub(channel).ListCallers(
            request, timeout=timeout
        )


def identities(path: Path, timeout: float) -> admin_service_pb2.ListIdentitiesResponse:
    """Asks on the admin socket what identities are held."""
    request = admin_service_pb2.ListIdentitiesRequest()
    with channel_to(path, timeout, ADMIN) as channel:
        return admin_service_pb2_grpc.AdminServiceStub(channel).ListIdentities(
            request, timeout=timeout
        )


def identity(path: Path, workload: str, timeout: float) -> admin_service_pb2.IdentityStatus:
    """Asks on the admin socket what is held for one workload."""
    request = admin_service_pb2.GetIdentityRequest(workload=workload)
    with channel_to(path, timeout, ADMIN) as channel:
        stub = admin_service_pb2_grpc.AdminServiceStub(channel)
        return stub.GetIdentity(request, timeout=timeout).identity


def revoke(
    path: Path, request: admin_service_pb2.RevokeRequest, timeout: float
) -> admin_service_pb2.RevokeResponse:
    """Revokes something, over the admin socket."""
    with channel_to(path, timeout, ADMIN) as channel:
        return admin_service_pb2_grpc.AdminServiceStub(channel).Revoke(request, timeout=timeout)


def revocations(path: Path, timeout: float) -> admin_service_pb2.ListRevocationsResponse:
    """Asks on the admin socket what is revoked."""
    request = admin_service_pb2.ListRevocationsRequest()
    with channel_to(path, timeout, ADMIN) as channel:
        return admin_service_pb2_grpc.AdminServiceStub(channel).ListRevocations(
            request, timeout=timeout
        )


def reload(path: Path, timeout: float) -> admin_service_pb2.ReloadResponse:
    """Has governd read its policy source now."""
    request = admin_service_pb2.ReloadRequest()
    with channel_to(path, timeout, ADMIN) as channel:
        return admin_service_pb2_grpc.AdminServiceStub(channel).Reload(request, timeout=timeout)


@contextmanager
def channel_to(path: Path, timeout: float, wanted: str) -> Iterator[grpc.Channel]:
    """A channel; within the block every failure of a call is a ``Failure``."""
    _check(path)
    with socket_path.reachable(path) as name:
        target = f"unix:{quote(name)}"  # a target is a URI
        with grpc.insecure_channel(target, options=_OPTIONS) as channel:
            try:
                yield channel
            except grpc.RpcError as error:
                if not isinstance(error, grpc.Call):
                    raise
                raise _failure(error, path, timeout, wanted) from error


def _check(path: Path) -> None:
    """Says what is wrong with a path before gRPC says it in its own words."""
    try:
        if path.is_socket():
            return
        why = f"{path} is no socket" if path.exists() else f"no socket at {path}"
    except OSError as error:
        why = f"cannot reach {path}: {(error.strerror or str(error)).lower()}"
    message = f"{why}; is governd running there? {_HINT}"
    raise Failure(message, exit_code=CANNOT_ASK)


def _failure(error: grpc.Call, path: Path, timeout: float, wanted: str) -> Failure:
    """What a failed call means for the person who made it."""
    code, details = error.code(), error.details() or ""
    reason = reason_of(error)
    if reason == "POLICY_INVALID":
        message = "the policy source was refused, the last good policy stays in force"
        return Failure(message, exit_code=NO, report=details.splitlines())
    if reason in _REFUSED:
        return Failure(f"refused: {details} ({reason})", exit_code=NO)
    if reason:
        said = f"the question was refused: {details} ({reason})"
        usage = code is grpc.StatusCode.INVALID_ARGUMENT
        return Failure(said, exit_code=USAGE if usage else CANNOT_ASK)
    return Failure(_transport(code, details, path, timeout, wanted), exit_code=CANNOT_ASK)


def _transport(code: grpc.StatusCode, details: str, path: Path, timeout: float, wanted: str) -> str:
    match code:
        case grpc.StatusCode.UNAVAILABLE:
            return f"nothing answers on {path}; is governd running? {_HINT}"
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return f"no answer on {path} within {timeout:g} s; see 'governd status', or --timeout"
        case grpc.StatusCode.UNIMPLEMENTED:
            return f"{path} is not {wanted} of a governd of this version; {_HINT}"
        case _:
            return f"the call failed with {code.name}: {details or 'no message'}"


def reason_of(error: grpc.Call) -> str:
    """The reason in governd's ErrorInfo; ``""`` where the error is not governd's own."""
    try:
        status = rpc_status.from_call(error)
    except ValueError:
        return ""
    for detail in status.details if status else ():
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info) and info.domain == "governd":
            return str(info.reason)
    return ""
