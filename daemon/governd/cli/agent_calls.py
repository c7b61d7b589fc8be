"""The operator's calls about agents."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import grpc

from governd._proto.governd.v1 import admin_service_pb2, admin_service_pb2_grpc
from governd.cli.connection import ADMIN, channel_to, reason_of
from governd.cli.failure import NO, Failure

_REFUSALS = {"APPROVAL_REFUSED", "AGENT_UNKNOWN"}


class OneAgent(Protocol):
    """What a verb about one agent needs. Every failure of a call is a ``Failure``."""

    def get(self, spiffe_id: str) -> admin_service_pb2.GetAgentStatusResponse:
        """One agent with its card, and the card that it is held to."""

    def approve(self, spiffe_id: str, digest: str) -> admin_service_pb2.ApproveAgentResponse:
        """Holds it to the card that it presented last, if that still has this digest."""


class AgentToForget(Protocol):
    """What forgetting an agent needs. Every failure of a call is a ``Failure``."""

    def get(self, spiffe_id: str) -> admin_service_pb2.GetAgentStatusResponse:
        """One agent with its card, and the card that it is held to."""

    def forget(self, spiffe_id: str) -> admin_service_pb2.ForgetAgentResponse:
        """Knows nothing of it any more."""


class AgentCalls:
    """Calls on an admin socket; implements ``OneAgent`` and ``AgentToForget``."""

    def __init__(self, path: Path, timeout: float) -> None:
        """Takes the socket, and the seconds that each call may take."""
        self._path = path
        self._timeout = timeout

    def list(self, *, quarantined: bool) -> Iterator[admin_service_pb2.AgentStatus]:
        """The agents, page by page."""
        page = admin_service_pb2.ListAgentsRequest(quarantined=quarantined)
        with channel_to(self._path, self._timeout, ADMIN) as channel:
            stub = admin_service_pb2_grpc.AdminServiceStub(channel)
            while True:
                answer = stub.ListAgents(page, timeout=self._timeout)
                yield from answer.agents
                if not answer.next_page_token:
                    return
                page.page_token = answer.next_page_token

    def get(self, spiffe_id: str) -> admin_service_pb2.GetAgentStatusResponse:
        """As ``OneAgent`` has it."""
        request = admin_service_pb2.GetAgentStatusRequest(spiffe_id=spiffe_id)
        with channel_to(self._path, self._timeout, ADMIN) as channel:
            stub = admin_service_pb2_grpc.AdminServiceStub(channel)
            return stub.GetAgentStatus(request, timeout=self._timeout)

    def approve(self, spiffe_id: str, digest: str) -> admin_service_pb2.ApproveAgentResponse:
        """As ``OneAgent`` has it."""
        request = admin_service_pb2.ApproveAgentRequest(spiffe_id=spiffe_id, digest=digest)
        with channel_to(self._path, self._timeout, ADMIN) as channel:
            stub = admin_service_pb2_grpc.AdminServiceStub(channel)
            try:
                return stub.ApproveAgent(request, timeout=self._timeout)
            except grpc.RpcError as error:
                if isinstance(error, grpc.Call) and reason_of(error) in _REFUSALS:
                    raise refusal(error.details() or "governd refused") from error
                raise

    def forget(self, spiffe_id: str) -> admin_service_pb2.ForgetAgentResponse:
        """As ``AgentToForget`` has it."""
        request = admin_service_pb2.ForgetAgentRequest(spiffe_id=spiffe_id)
        with channel_to(self._path, self._timeout, ADMIN) as channel:
            stub = admin_service_pb2_grpc.AdminServiceStub(channel)
            return stub.ForgetAgent(request, timeout=self._timeout)


def refusal(why: str) -> Failure:
    """An approval that was not given."""
    message = f"not approved: {why}; look at it again with 'governd agent show'"
    return Failure(message, exit_code=NO)
