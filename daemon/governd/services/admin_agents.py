"""What AdminService says of agents."""

import itertools
from collections.abc import Sequence

from governd._proto.governd.v1 import admin_service_pb2
from governd.application.agents import Agents, KnownLevel
from governd.application.register_agents import AgentKeeper
from governd.errors import RequestError
from governd.identity import SpiffeId
from governd.kya.registered_agent import RegisteredAgent
from governd.services import agents, convert
from governd.services.tools import is_digest

PAGE_BYTES = 500 << 10
"""Of a list; clients of gRPC take 4 MiB unless told otherwise."""
_AROUND = 5
"""Bytes around each agent of a list, at most."""


class AdminAgents:
    """Answers an operator's questions about agents."""

    def __init__(self, known: Agents, keeper: AgentKeeper) -> None:
        """Takes the agents and the use case."""
        self._known = known
        self._keeper = keeper

    def list(
        self, request: admin_service_pb2.ListAgentsRequest
    ) -> admin_service_pb2.ListAgentsResponse:
        """A page of the agents, or of those that are asked for.

        Raises:
            RequestError: The page's token is none of ours.
        """
        found, now = self._after(request), self._known.now()
        response, size = admin_service_pb2.ListAgentsResponse(), 0
        for before, one in zip(itertools.chain([None], found), found, strict=False):
            status = agents.status(one, now)
            size += status.ByteSize() + _AROUND
            if before is not None and size > PAGE_BYTES:
                response.next_page_token = str(before.spiffe_id)
                break
            response.agents.append(status)
        return response

    def get(
        self, request: admin_service_pb2.GetAgentStatusRequest
    ) -> admin_service_pb2.GetAgentStatusResponse:
        """One of them with its card.

        Raises:
            RequestError: The SPIFFE ID is malformed.
            AgentUnknownError: There is no such agent.
        """
        wanted = SpiffeId.parse(request.spiffe_id, field="spiffe_id")
        return agents.details(self._keeper.get(wanted), self._known.now())

    def level_of(self, spiffe_id: SpiffeId) -> KnownLevel:
        """How well an agent is known now."""
        return self._known.level(spiffe_id)

    async def approve(
        self, request: admin_service_pb2.ApproveAgentRequest
    ) -> admin_service_pb2.ApproveAgentResponse:
        """Holds an agent to the card that it presented last.

        Raises:
            RequestError: A field is malformed.
            AgentUnknownError: There is no such agent.
            ApprovalError: It presented another card since.
            DecisionLogError: It cannot be put on record, or not be kept.
        """
        wanted = SpiffeId.parse(request.spiffe_id, field="spiffe_id")
        if not is_digest(request.digest):
            message = 'digest: required, "sha-256:" and 64 hex digits in lower case'
            raise RequestError(message, field="digest")
        found = await self._keeper.approve(wanted, request.digest)
        return admin_service_pb2.ApproveAgentResponse(
            status=agents.status(found, self._known.now()),
            policy=convert.policy_info(self._keeper.policy),
        )

    async def forget(
        self, request: admin_service_pb2.ForgetAgentRequest
    ) -> admin_service_pb2.ForgetAgentResponse:
        """Forgets an agent.

        Raises:
            RequestError: The SPIFFE ID is malformed.
            AgentUnknownError: There is no such agent.
            DecisionLogError: It cannot be put on record, or may be there again after a restart.
        """
        wanted = SpiffeId.parse(request.spiffe_id, field="spiffe_id")
        found = await self._keeper.forget(wanted)
        return admin_service_pb2.ForgetAgentResponse(
            status=agents.status(found, self._known.now()),
            policy=convert.policy_info(self._keeper.policy),
        )

    def _after(self, request: admin_service_pb2.ListAgentsRequest) -> Sequence[RegisteredAgent]:
        """Those that are asked for, by SPIFFE ID, behind the page before."""
        after = ""
        if request.page_token:
            after = str(SpiffeId.parse(request.page_token, field="page_token"))
        found = sorted(self._known.held.values(), key=lambda one: str(one.spiffe_id))
        return [
            one
            for one in found
            if str(one.spiffe_id) > after and (one.drift or not request.quarantined)
        ]
