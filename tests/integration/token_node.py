"""A real governd before two authorization servers, as its agents and its operator see it.

    with token_node(folder) as node:
        answer = node.planner.get("crm", node.login())

``corp`` issues the tokens, ``idp`` knows the users. governd shows ``corp`` its own JWT-SVID,
and ``idp`` assertions that it signs with a key of its configuration.
"""

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from governd._proto.governd.v1 import (
    admin_service_pb2,
    admin_service_pb2_grpc,
    token_service_pb2,
    token_service_pb2_grpc,
    types_pb2,
)
from governd.services.workload_stubs import SERVICE, messages
from tests.fakes.authorization_server import AuthorizationServer
from tests.fakes.authorization_server_checks import Client
from tests.fakes.authorization_server_http import TlsAuthority
from tests.fakes.authorization_server_thread import in_background
from tests.integration.daemon_process import DaemonProcess, prepare
from tests.integration.upstream_calls import client_key
from tests.policies import source_files

AGENTS = "spiffe://example.org/agent"
PLANNER, ROUTER, STRANGER = (f"{AGENTS}/{name}" for name in ("planner", "router", "stranger"))
CRM = "https://crm.example.org/mcp"
POLICY = f"""
@id("tokens") permit (principal, action == Action::"token/exchange", resource)
  unless {{ principal == Agent::"{STRANGER}" }};
@id("svids") permit (principal, action == Action::"identity/jwt-svid", resource);
"""
_SECONDS = 60.0

pb, admin_pb = token_service_pb2, admin_service_pb2


class Told(Exception):  # noqa: N818  # an answer, not a mishap
    """What an error says.

    Attributes:
        code: Of the status.
        reason: Of the error.
        facts: Beside it.
        retry_after: Seconds; ``None`` where a retry does not help.
    """

    def __init__(self, error: grpc.RpcError) -> None:
        """Reads an error's details."""
        status, info = rpc_status.from_call(cast("grpc.Call", error)), error_details_pb2.ErrorInfo()
        assert status is not None, error
        assert status.details[0].Unpack(info)
        super().__init__(f"{info.reason}: {status.message}")
        self.code = cast("grpc.Call", error).code()
        self.reason, self.facts = info.reason, dict(info.metadata)
        self.retry_after: float | None = None
        for detail in status.details[1:]:
            retry = error_details_pb2.RetryInfo()
            if detail.Unpack(retry):
                delay: Duration = retry.retry_delay
                self.retry_after = delay.ToTimedelta().total_seconds()


class Agent:
    """An agent at its socket, on one connection."""

    def __init__(self, target: str) -> None:
        self._channel = grpc.insecure_channel(target)
        self._stub = token_service_pb2_grpc.TokenServiceStub(self._channel)

    def get(
        self, upstream: str, id_token: str = "", *scopes: str, **more: Any
    ) -> pb.GetTokenResponse:
        """A token.

        Raises:
            Told: There is none.
        """
        request = asked(upstream, id_token, *scopes, **more)
        try:
            answer: pb.GetTokenResponse = self._stub.GetToken(request, timeout=_SECONDS)
        except grpc.RpcError as error:
            raise Told(error) from None
        return answer

    def exchange(self, **parts: str) -> pb.ExchangeResponse:
        """The same in the words of RFC 8693.

        Raises:
            Told: There is none.
        """
        try:
            answer: pb.ExchangeResponse = self._stub.Exchange(
                pb.ExchangeRequest(**parts), timeout=_SECONDS
            )
        except grpc.RpcError as error:
            raise Told(error) from None
        return answer

    def at_once(self, requests: list[pb.GetTokenRequest]) -> list[pb.GetTokenResponse]:
        """Many calls at the same time."""
        calls = [self._stub.GetToken.future(one, timeout=_SECONDS) for one in requests]
        return [call.result() for call in calls]

    def close(self) -> None:
        self._channel.close()


class TokenNode:
    """One node.

    Attributes:
        daemon: The governd.
        corp: Issues the tokens.
        idp: Knows the users.
        planner: An agent.
        router: Another one.
        stranger: One that policy gives nothing.
    """

    def __init__(
        self, daemon: DaemonProcess, corp: AuthorizationServer, idp: AuthorizationServer
    ) -> None:
        self.daemon, self.corp, self.idp = daemon, corp, idp
        names = ("planner", "router", "stranger")
        self.planner, self.router, self.stranger = (Agent(daemon.target(name)) for name in names)

    def login(self, user: str = "alice", **changes: object) -> str:
        """A user's ID token, as of now; ``changes`` are of its claims."""
        return self.idp.id_token(user, "governd", **{"exp": int(time.time()) + 3600, **changes})

    @contextlib.contextmanager
    def operator(self) -> Iterator[Any]:
        """The operator's calls."""
        with grpc.insecure_channel(self.daemon.target("admin")) as channel:
            yield admin_service_pb2_grpc.AdminServiceStub(channel)

    def held(self) -> list[admin_pb.HeldToken]:
        """The tokens that are held."""
        with self.operator() as admin:
            return list(admin.ListTokens(admin_pb.ListTokensRequest(), timeout=_SECONDS).tokens)

    def state_of(self, upstream: str) -> str:
        """How an upstream's authorization servers are."""
        with self.operator() as admin:
            request = admin_pb.ListUpstreamsRequest()
            listed: admin_pb.ListUpstreamsResponse = admin.ListUpstreams(request, timeout=_SECONDS)
        return next(one.state for one in listed.upstreams if one.name == upstream)

    def revoke(self, **what: str) -> None:
        """Revokes something."""
        request = admin_pb.RevokeRequest(revoked=admin_pb.Revoked(**what))
        with self.operator() as admin:
            admin.Revoke(request, timeout=_SECONDS)

    def trust_bundle(self) -> bytes:
        """With what JWT-SVIDs of the trust domain are verified; any workload may know."""
        with grpc.insecure_channel(self.daemon.target("planner")) as channel:
            stream = channel.unary_stream(
                f"/{SERVICE}/FetchJWTBundles",
                request_serializer=messages.JWTBundlesRequest.SerializeToString,
                response_deserializer=messages.JWTBundlesResponse.FromString,
            )(messages.JWTBundlesRequest(), metadata=(("workload.spiffe.io", "true"),))
            found: bytes = next(stream).bundles["spiffe://example.org"]
            stream.cancel()
        return found

    def join(self) -> None:
        """Both servers know governd as it is now: a restart gives it other keys."""
        own = self.own_id()
        for server in (self.corp, self.idp):
            server.trust.bundles["example.org"] = self.trust_bundle()
            known = server.trust.clients["governd"]
            server.trust.clients["governd"] = Client("governd", keys=known.keys, spiffe_id=own)

    def own_id(self) -> str:
        """Who governd is."""
        with self.operator() as admin:
            status: admin_pb.StatusResponse = admin.Status(
                admin_pb.StatusRequest(), timeout=_SECONDS
            )
        return status.serving_identity

    def close(self) -> None:
        for agent in (self.planner, self.router, self.stranger):
            agent.close()


def asked(upstream: str, id_token: str = "", *scopes: str, **more: Any) -> pb.GetTokenRequest:
    """A request."""
    evidence = types_pb2.Evidence(id_token=id_token) if id_token else None
    return pb.GetTokenRequest(upstream=upstream, evidence=evidence, scopes=scopes, **more)


@contextlib.contextmanager
def token_node(
    folder: Path, *, settings: str = "", tokens: str = "", upstream: str = ""
) -> Iterator[TokenNode]:
    """A node, until the end.

    Args:
        folder: All of it is in there.
        settings: More tables of the configuration.
        tokens: More of its ``[tokens]``.
        upstream: More of each upstream that is for a user.
    """
    authority, key = TlsAuthority(folder), folder / "client.pem"
    with contextlib.ExitStack() as stack:
        corp = stack.enter_context(in_background(authority, "/realms/corp"))
        idp = stack.enter_context(in_background(authority))
        keys = client_key(key)
        for server in (corp, idp):
            server.trust.clients["governd"] = Client("governd", keys=keys)
        corp.trust.issuers |= {idp.issuer: idp.signer.key_set(), "governd": keys}
        said = (
            f'{settings}[issuers]\nnetworks = ["127.0.0.0/8", "::1/128"]\n'
            f"ca_file = {json.dumps(str(authority.ca_file))}\n[tokens]\n{tokens}"
            f'[[tokens.client_key]]\nname = "corp"\nfile = {json.dumps(str(key))}\n'
        )
        files = source_files(POLICY, manifest=manifest(corp, idp, upstream))
        listeners = {"planner": PLANNER, "router": ROUTER, "stranger": STRANGER}
        daemon = prepare(folder / "governd", said, listeners, _written(folder / "policy", files))
        stack.callback(daemon.kill)
        daemon.start()
        node = TokenNode(daemon, corp, idp)
        stack.callback(node.close)
        node.join()
        yield node
        assert daemon.stop() == 0


def manifest(corp: AuthorizationServer, idp: AuthorizationServer, upstream: str = "") -> str:
    """Both servers, who vouches for users, and an upstream of every grant."""
    jwk = "".join(f"{name} = {json.dumps(one)}\n" for name, one in idp.signer.jwk().items())
    named = 'client_id = "governd"\nclient_key = "corp"\n'
    kinds = {
        "crm": f'grant = "token-exchange"\n{upstream}',
        "own": f'grant = "token-exchange"\nactor = "governd"\n{upstream}',
        "mail": f'grant = "id-jag"\nidentity_provider = "idp"\n{upstream}',
        "hr": f'grant = "jwt-bearer"\nusers_from = ["{idp.issuer}"]\n{upstream}',
        "self": 'grant = "token-exchange"\nsubject = "agent"\n',
        "jobs": 'grant = "client-credentials"\n',
    }
    upstreams = "".join(
        f'[[upstream]]\nname = "{name}"\nresource = "https://{name}.example.org/mcp"\n'
        f'authorization_server = "corp"\nscopes = ["read", "write"]\n{how}'
        for name, how in kinds.items()
    )
    return (
        f'[[authorization_server]]\nname = "corp"\nissuer = "{corp.issuer}"\n{named}'
        'client_authentication = "jwt-spiffe"\n'
        f'[[authorization_server]]\nname = "idp"\nissuer = "{idp.issuer}"\n{named}'
        f'client_authentication = "private_key_jwt"\n{upstreams}'
        f'[[issuer]]\nname = "idp"\nissuer = "{idp.issuer}"\naudiences = ["governd"]\n'
        f'kinds = ["id_token", "access_token"]\n[[issuer.key]]\n{jwk}'
    )


def _written(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder
