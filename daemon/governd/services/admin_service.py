"""AdminService: the operator's questions."""

from dataclasses import replace
from typing import NamedTuple

from governd._proto.governd.v1 import admin_service_pb2, admin_service_pb2_grpc
from governd.application.operate import Operator
from governd.identity import SpiffeId
from governd.services import admin_messages, convert, stated
from governd.services.admin_agents import AdminAgents
from governd.services.admin_identities import AdminIdentities
from governd.services.admin_revocations import AdminRevocations
from governd.services.admin_tools import AdminTools
from governd.services.admin_upstreams import AdminUpstreams
from governd.services.context import Context


class AdminUseCases(NamedTuple):
    """What answers about the parts of a governd.

    Attributes:
        tools: About what MCP servers offer.
        identities: About what it holds for workloads.
        agents: About agents' cards.
        revocations: About what is revoked here.
        upstreams: About upstreams, and tokens for them.
    """

    tools: AdminTools
    identities: AdminIdentities
    agents: AdminAgents
    revocations: AdminRevocations
    upstreams: AdminUpstreams


class AdminServicer(admin_service_pb2_grpc.AdminServiceServicer):
    """governd.v1.AdminService."""

    def __init__(self, operator: Operator, use_cases: AdminUseCases, parse: convert.Parse) -> None:
        """Takes the use case, what answers about the rest, and what reads arguments."""
        self._operator = operator
        self._tools, self._identities, self._agents, self._revocations, self._upstreams = use_cases
        self._parse = parse

    async def Status(  # noqa: N802
        self,
        request: admin_service_pb2.StatusRequest,  # noqa: ARG002
        context: Context,  # noqa: ARG002
    ) -> admin_service_pb2.StatusResponse:
        """What this governd is and holds."""
        status = self._operator.status()
        return admin_service_pb2.StatusResponse(
            version=status.version,
            started=convert.timestamp(status.started),
            ready=status.ready,
            components=[admin_messages.component(component) for component in status.components],
            policy=convert.policy_info(status.policy),
            policies=status.policies,
            policy_problems=[convert.problem(problem) for problem in status.policy_problems],
            listeners=status.listeners,
            unsafe_settings=status.unsafe_settings,
            serving_identity=status.serving_identity,
            signing_identity=status.signing_identity,
            identity_source=status.identity_source,
            production=status.production,
        )

    async def Explain(  # noqa: N802
        self,
        request: admin_service_pb2.ExplainRequest,
        context: Context,  # noqa: ARG002
    ) -> admin_service_pb2.ExplainResponse:
        """Answers a question and says why, and records nothing."""
        caller = SpiffeId.parse(request.caller, field="caller")
        question = convert.question(request.question, caller, self._parse)
        given = stated.read(request, question.subject, self._agents.level_of)
        question = replace(question, circumstances=given)
        explained, info = self._operator.explain(question)
        message = convert.decision(explained.decision)
        message.policy.CopyFrom(convert.policy_info(info))
        return admin_service_pb2.ExplainResponse(
            evaluation=message,
            policies=[admin_messages.explanation(item) for item in explained.policies],
            undeclared_arguments=explained.undeclared,
            kya_level=given.kya_level,
        )

    async def Reload(  # noqa: N802
        self,
        request: admin_service_pb2.ReloadRequest,  # noqa: ARG002
        context: Context,  # noqa: ARG002
    ) -> admin_service_pb2.ReloadResponse:
        """Reads the policy source now."""
        info, changed = await self._operator.reload()
        return admin_service_pb2.ReloadResponse(policy=convert.policy_info(info), changed=changed)

    async def ListCallers(  # noqa: N802
        self,
        request: admin_service_pb2.ListCallersRequest,  # noqa: ARG002
        context: Context,  # noqa: ARG002
    ) -> admin_service_pb2.ListCallersResponse:
        """Every caller that has a listener."""
        return admin_service_pb2.ListCallersResponse(
            callers=[admin_messages.caller(usage) for usage in self._operator.callers()]
        )

    async def ListIdentities(  # noqa: N802
        self,
        request: admin_service_pb2.ListIdentitiesRequest,
        context: Context,  # noqa: ARG002
    ) -> admin_service_pb2.ListIdentitiesResponse:
        """Every workload for which identities are held."""
        return self._identities.list(request)

    async def GetIdentity(  # noqa: N802
        self,
        request: admin_service_pb2.GetIdentityRequest,
        context: Context,  # noqa: ARG002
    ) -> admin_service_pb2.GetIdentityResponse:
        """One of them."""
        return self._identities.get(request)

    async def ListTools(  # noqa: N802
        self,
        request: admin_service_pb2.ListToolsRequest,
        context: Context,  # noqa: ARG002
    ) -> admin_service_pb2.ListToolsResponse:
        """What MCP servers offer."""
        return await self._tools.list(request)

    async def GetTool(  # noqa: N802
        self,
        request: admin_service_pb2.GetToolRequest,
        context: Context,  # noqa: ARG002
    ) -> admin_service_pb2.GetToolResponse:
        """One definition with its text."""
        return self._tools.get(request)

    async def ApproveTool(  # noqa: N802
        self,
        request: admin_service_pb2.ApproveToolRequest,
        context: Context,  # noqa: ARG002
    ) -> admin_service_pb2.ApproveToolResponse:
        """Pins a definition, and ends its quarantine."""
        return await self._tools.approve(request)

    async def ListAgents(  # noqa: N802
        self,
        request: admin_service_pb2.ListAgentsRequest,
        context: Context,  # noqa: ARG002
    ) -> admin_service_pb2.ListAgentsResponse:
        """The agents that registered a card."""
        return self._agents.list(request)

    async def GetAgentStatus(  # noqa: N802
        self,
        request: admin_service_pb2.GetAgentStatusRequest,
        context: Context,  # noqa: ARG002
    ) -> admin_service_pb2.GetAgentStatusResponse:
        """One of them with its card."""
        return self._agents.get(request)

    async def ApproveAgent(  # noqa: N802
        self,
        request: admin_service_pb2.ApproveAgentRequest,
        context: Context,  # noqa: ARG002
    ) -> admin_service_pb2.ApproveAgentResponse:
        """Holds an agent to its card, and ends its quarantine."""
        return await self._agents.approve(request)

    async def ForgetAgent(  # noqa: N802
        self,
        request: admin_service_pb2.ForgetAgentRequest,
        context: Context,  # noqa: ARG002
    ) -> admin_service_pb2.ForgetAgentResponse:
        """Knows nothing of an agent any more."""
        return await self._agents.forget(request)

    async def Revoke(  # noqa: N802
        self,
        request: admin_service_pb2.RevokeRequest,
        context: Context,  # noqa: ARG002
    ) -> admin_service_pb2.RevokeResponse:
        """Ends on this node, and at once, what has not expired."""
        return await self._revocations.revoke(request)

    async def ListRevocations(  # noqa: N802
        self,
        request: admin_service_pb2.ListRevocationsRequest,
        context: Context,  # noqa: ARG002
    ) -> admin_service_pb2.ListRevocationsResponse:
        """What is revoked on this node now."""
        return self._revocations.list(request)

    async def ListUpstreams(  # noqa: N802
        self,
        request: admin_service_pb2.ListUpstreamsRequest,
        context: Context,  # noqa: ARG002
    ) -> admin_service_pb2.ListUpstreamsResponse:
        """What agents can get tokens for."""
        return self._upstreams.list(request)

    async def CheckUpstream(  # noqa: N802
        self,
        request: admin_service_pb2.CheckUpstreamRequest,
        context: Context,  # noqa: ARG002
    ) -> admin_service_pb2.CheckUpstreamResponse:
        """Whether one of these could be had."""
        return await self._upstreams.check(request)

    async def ListTokens(  # noqa: N802
        self,
        request: admin_service_pb2.ListTokensRequest,
        context: Context,  # noqa: ARG002
    ) -> admin_service_pb2.ListTokensResponse:
        """What is held, without the tokens."""
        return self._upstreams.tokens(request)
