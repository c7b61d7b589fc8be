"""Puts together what is about agents, for the composition root."""

import functools
import time
from datetime import datetime
from pathlib import Path

from prometheus_client import CollectorRegistry
from structlog.typing import FilteringBoundLogger

from governd._proto.governd.v1 import agent_service_pb2_grpc
from governd.adapters.agent_report import AgentReport
from governd.adapters.identity_parts import IdentityParts
from governd.adapters.registration_files import AGENTS, RegistrationFiles
from governd.application.agents import Agents
from governd.application.attest_agents import AgentAttester
from governd.application.evaluate import Evaluator
from governd.application.register_agents import AgentKeeper
from governd.application.see_agents import AgentViewer
from governd.application.sync_policy import PolicyKeeper
from governd.audit.ports import DecisionLog
from governd.endpoints.methods import Register
from governd.kya.registered_agent import RegisteredAgent
from governd.observability.agent_metrics import AgentMetrics
from governd.services.admin_agents import AdminAgents
from governd.services.agent_service import AgentServicer, AgentUseCases


class AgentParts:
    """What is about agents.

    Attributes:
        agents: Those that registered. They dress the policy.
        keeper: Takes their cards.
        attester: Attests them.
        admin: What the operator is told of agents.
    """

    def __init__(
        self, directory: Path, registry: CollectorRegistry, log: FilteringBoundLogger
    ) -> None:
        """Holds nobody yet.

        Args:
            directory: For state; agents are kept in a directory of their own there.
            registry: Of metrics.
            log: Told of agents.
        """
        metrics = AgentMetrics(registry)
        metrics.publish(self._count)
        self._report = AgentReport(metrics, log)
        files = RegistrationFiles(directory / "agents", AGENTS)
        self.agents = Agents(files, self._report, wall_clock=time.time)

    def join(self, policies: PolicyKeeper, log: DecisionLog, identities: IdentityParts) -> None:
        """Makes the rest, once there is what these agents dress.

        Args:
            policies: Holds the policy in force.
            log: Where registrations and attestations are put on record.
            identities: Know the trust bundles, and who signs attestations.
        """
        self._identities = identities
        self._policies = policies
        self.keeper = AgentKeeper(policies, self.agents, log, self._report, clock=time.monotonic)
        self.attester = AgentAttester(
            policies,
            self.agents,
            identities.own.signing.current,
            log,
            observer=self._report,
            clock=time.monotonic,
        )
        self.admin = AdminAgents(self.agents, self.keeper)

    def register(self, evaluator: Evaluator) -> Register:
        """AgentService, for every workload listener.

        Args:
            evaluator: Decides.
        """
        viewer = AgentViewer(self._policies, evaluator, self.keeper)
        use_cases = AgentUseCases(self.keeper, viewer, self.attester)
        servicer = AgentServicer(self.agents, use_cases, self._report)
        return functools.partial(
            agent_service_pb2_grpc.add_AgentServiceServicer_to_server, servicer
        )

    async def follow(self) -> None:
        """Trusts what is to be trusted, for as long as that is told."""
        await self.keeper.follow(self._identities.bundles())

    def _count(self, state: str) -> int:
        now = self.agents.now()
        return sum(_state(one, now) == state for one in self.agents.held.values())


def _state(agent: RegisteredAgent, now: datetime) -> str:
    return "quarantined" if agent.drift else agent.level(now).name.lower()
