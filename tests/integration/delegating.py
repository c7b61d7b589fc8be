"""What the tests of delegation on a running daemon share: agents, a user's tokens, calls.

Three workloads, each on its own socket: ``planner``, to which the user turned, ``router``, an
agent that it asks, and ``git``, an MCP server.
"""

import base64
import json
import time
from pathlib import Path
from typing import Any, cast

import grpc
from cryptography.hazmat.primitives.serialization import Encoding
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from spiffe import WorkloadApiClient

from governd._proto.governd.v1 import (
    delegation_service_pb2,
    delegation_service_pb2_grpc,
    policy_service_pb2,
    policy_service_pb2_grpc,
    types_pb2,
)
from tests.fakes.delegating import CLIENT, IDP, issuer_table
from tests.fakes.token_issuer import TokenIssuer
from tests.integration.daemon_process import TRUST_DOMAIN, DaemonProcess
from tests.policies import source_files

AGENTS = "spiffe://example.org/agent"
PLANNER, ROUTER, GIT = f"{AGENTS}/planner", f"{AGENTS}/router", "spiffe://example.org/mcp/git"
WORKLOADS = {"planner": PLANNER, "router": ROUTER, "git": GIT}
POLICY = """
@id("mint") permit (principal, action == Action::"delegation/mint", resource)
  unless { resource == Agent::"spiffe://example.org/agent/elsewhere" };
@id("invoke") permit (principal, action == Action::"agent/invoke", resource)
  when { context has delegation && context.delegation.user_subject == "alice" };
@id("open") permit (principal, action == Action::"tools/call:git/open", resource)
  when { context has delegation && context.delegation.user_subject == "alice" };
@id("reset") permit (principal, action == Action::"tools/call:git/reset", resource)
  when { context has delegation };
@id("list") permit (principal, action == Action::"tools/list", resource);
"""
RULES = '[[delegation.signer]]\nspiffe_id = "spiffe://example.org/governd/signer"\n'
REQUEST = delegation_service_pb2.RequestBinding(
    method="POST",
    uri="https://router.example/a2a",
    body_digest="sha-256=:RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=:",
)

pb = delegation_service_pb2


def write_policy(folder: Path, idp: TokenIssuer, rules: str = RULES) -> Path:
    """A policy source with an issuer of users' tokens."""
    files = source_files(POLICY, manifest=rules + issuer_table(idp))
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def id_token(idp: TokenIssuer, **changes: object) -> str:
    """Alice's, as of now."""
    now = int(time.time())
    claims = {"iss": IDP, "sub": "alice", "aud": CLIENT, "iat": now, "exp": now + 600}
    return idp.token(**{**claims, **changes})


def access_token(idp: TokenIssuer, scope: str) -> str:
    """Alice's, as of now, for what ``scope`` says."""
    now = int(time.time())
    claims = {"iss": IDP, "sub": "alice", "aud": CLIENT, "iat": now, "exp": now + 600}
    header = idp.header(typ="at+jwt")
    return idp.token(header, **claims, jti="at-1", client_id="app", scope=scope)


def bundle_of(daemon: DaemonProcess, name: str = "router") -> list[bytes]:
    """The trust bundle of ``example.org``, DER, as a workload has it of its Workload API."""
    with WorkloadApiClient(daemon.target(name)) as client:
        found = client.fetch_x509_bundles(timeout=10).bundles
    (bundle,) = (one for one in found if one.trust_domain.name == TRUST_DOMAIN)
    return [one.public_bytes(Encoding.DER) for one in bundle.x509_authorities]


class Workload:
    """One workload's view of the daemon."""

    def __init__(self, daemon: DaemonProcess, name: str) -> None:
        self.spiffe_id = daemon.listeners[name]
        self._channel = grpc.insecure_channel(daemon.target(name))
        self._delegation = delegation_service_pb2_grpc.DelegationServiceStub(self._channel)
        self._policy = policy_service_pb2_grpc.PolicyServiceStub(self._channel)

    def mint(self, audience: str, token: str, **wanted: Any) -> pb.Delegation:
        """A token for a user's own one, of the ``kind`` that is wanted."""
        evidence = types_pb2.Evidence(**{wanted.pop("kind", "id_token"): token})
        request = pb.MintRequest(audience=audience, evidence=evidence, **wanted)
        return self._delegation.Mint(request, timeout=10).delegation

    def extend(self, parent: str, audience: str, **wanted: Any) -> pb.Delegation:
        request = pb.ExtendRequest(parent_token=parent, audience=audience, **wanted)
        return self._delegation.Extend(request, timeout=10).delegation

    def verify(self, token: str, peer: str, **parts: Any) -> pb.VerifyResponse:
        parts = {"request": REQUEST, **parts}
        return self._delegation.Verify(
            pb.VerifyRequest(token=token, peer=peer, **parts), timeout=10
        )

    def rejected(self, token: str, peer: str, **parts: Any) -> str:
        """Why a token is not taken."""
        answer = self.verify(token, peer, **parts)
        assert answer.WhichOneof("result") == "rejected", answer
        return pb.RejectionReason.Name(answer.rejected).removeprefix("REJECTION_REASON_")

    def evaluate(
        self, action: str, resource: str, subject: str = "", **evidence: str
    ) -> types_pb2.Evaluation:
        kind, _, name = resource.partition(":")
        request = policy_service_pb2.EvaluateRequest(
            subject=types_pb2.Subject(id=subject) if subject else None,
            action=types_pb2.Action(name=action),
            resource=types_pb2.Resource(type=kind, id=name),
            context=types_pb2.Context(evidence=types_pb2.Evidence(**evidence)),
        )
        return self._policy.Evaluate(request, timeout=10).evaluation

    def close(self) -> None:
        self._channel.close()


def told(error: grpc.RpcError) -> tuple[str, dict[str, str]]:
    """Reason and facts of an error."""
    status = rpc_status.from_call(cast("grpc.Call", error))
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return info.reason, dict(info.metadata)


def claims_of(token: str) -> dict[str, Any]:
    """What a token says."""
    payload = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=="))
    return found
