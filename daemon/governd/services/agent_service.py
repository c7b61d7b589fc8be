"""AgentService: agents present their cards, and ask what is known of them."""

from typing import NamedTuple, Protocol

from governd._proto.governd.v1 import agent_service_pb2, agent_service_pb2_grpc
from governd.application import call
from governd.application.agents import Agents
from governd.application.attest_agents import AgentAttester
from governd.application.register_agents import AgentKeeper
from governd.application.see_agents import AgentViewer
from governd.errors import GoverndError
from governd.identity import SpiffeId
from governd.kya.registered_agent import RegisteredAgent
from governd.services import agents
from governd.services.context import Context

CALLS_PER_REGISTRATION = 8
"""That one counts as: up to eight signatures are verified, and the epoch may change."""


class RefusalObserver(Protocol):
    """Watches registrations that are refused, for metrics."""

    def refused(self) -> None:
        """A registration was refused."""


class AgentUseCases(NamedTuple):
    """What answers agents.

    Attributes:
        keeper: Takes their cards.
        viewer: Shows them each other.
        attester: Attests them.
    """

    keeper: AgentKeeper
    viewer: AgentViewer
    attester: AgentAttester


class AgentServicer(agent_service_pb2_grpc.AgentServiceServicer):
    """governd.v1.AgentService."""

    def __init__(self, known: Agents, use_cases: AgentUseCases, observer: RefusalObserver) -> None:
        """Takes the agents, the use cases, and who is told of registrations that are refused."""
        self._known = known
        self._keeper, self._viewer, self._attester = use_cases
        self._observer = observer

    async def RegisterAgent(  # noqa: N802
        self,
        request: agent_service_pb2.RegisterAgentRequest,
        context: Context,  # noqa: ARG002
    ) -> agent_service_pb2.RegisterAgentResponse:
        """Takes the card of the calling agent."""
        this = call.current()
        try:
            this.charge(CALLS_PER_REGISTRATION - 1)
            found = await self._keeper.register(this, request.card_json, request.attestation)
        except GoverndError:
            self._observer.refused()
            raise
        return agent_service_pb2.RegisterAgentResponse(
            agent=self._message(found), attestation=await self._attestation(this)
        )

    async def GetAgent(  # noqa: N802
        self,
        request: agent_service_pb2.GetAgentRequest,
        context: Context,  # noqa: ARG002
    ) -> agent_service_pb2.GetAgentResponse:
        """What is known of an agent; of the caller itself, attested."""
        this = call.current()
        wanted = caller = this.workload.spiffe_id
        if request.spiffe_id:
            wanted = SpiffeId.parse(request.spiffe_id, field="spiffe_id")
        found = await self._viewer.get(this, wanted)
        own = wanted == caller
        return agent_service_pb2.GetAgentResponse(
            agent=self._message(found),
            attestation=await self._attestation(this) if own else "",
        )

    def _message(self, found: RegisteredAgent) -> agent_service_pb2.Agent:
        return agents.agent(found, self._known.now())

    async def _attestation(self, this: call.Call) -> str:
        attested = await self._attester.of(this)
        return attested.token if attested else ""
