"""How an agent asks a real governd for access to upstreams, and what it gets.

agent = AgentOf(daemon.directory / "web.sock")
claims = agent.claims("crm", access_token=users)
assert agent.refused("old", access_token=users).rule == "act_missing"
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from governd._proto.governd.v1 import token_service_pb2, token_service_pb2_grpc, types_pb2
from governd.identity.secret import Secret
from governd.tokens.client_key import read_client_key
from tests.fakes.authorization_server_checks import peek

_SECONDS = 60.0


class Refused(NamedTuple):
    """Why an agent got no token; ``""`` where that is not said.

    Attributes:
        reason: Of the error.
        rule: Which rule the answer of an authorization server breaks.
        error: That server's code.
    """

    reason: str
    rule: str = ""
    error: str = ""


class AgentOf:
    """An agent at its socket."""

    def __init__(self, socket: Path) -> None:
        """``socket`` is the agent's own."""
        self._target = f"unix:{socket}"

    def token(
        self, upstream: str, scopes: Sequence[str] = (), **evidence: str
    ) -> token_service_pb2.GetTokenResponse:
        """What it gets; ``evidence`` is ``id_token`` or ``access_token``, of the user.

        Raises:
            grpc.RpcError: Nothing.
        """
        request = token_service_pb2.GetTokenRequest(
            upstream=upstream,
            scopes=scopes,
            evidence=types_pb2.Evidence(**evidence) if evidence else None,
        )
        with grpc.insecure_channel(self._target) as channel:
            stub = token_service_pb2_grpc.TokenServiceStub(channel)
            answer: token_service_pb2.GetTokenResponse = stub.GetToken(request, timeout=_SECONDS)
        return answer

    def claims(self, upstream: str, scopes: Sequence[str] = (), **evidence: str) -> dict[str, Any]:
        """What the token says that it gets."""
        return peek(self.token(upstream, scopes, **evidence).access_token)[1]

    def refused(self, upstream: str, scopes: Sequence[str] = (), **evidence: str) -> Refused:
        """Why it gets none."""
        with pytest.raises(grpc.RpcError) as refused:
            self.token(upstream, scopes, **evidence)
        assert isinstance(refused.value, grpc.Call)
        status, info = rpc_status.from_call(refused.value), error_details_pb2.ErrorInfo()
        assert status is not None, refused.value
        assert status.details[0].Unpack(info)
        said = info.metadata
        return Refused(info.reason, said.get("rule", ""), said.get("error", ""))


def client_key(file: Path) -> bytes:
    """Writes a key of governd's to a file; its public half, a JWKS for authorization servers."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.touch(0o600)
    file.write_bytes(pem)
    return json.dumps(read_client_key(Secret(pem)).public_jwks()).encode()
