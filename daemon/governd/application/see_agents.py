"""Which of a node's agents a caller may know of.

Itself, its own tenant's, or those of its trust domain where there are no tenants, and others
that policy lets it invoke: who may call an agent may know whom it calls. Asking that is a
decision like any other, on record.

Promises:
    * To have no tenant is nothing that two could have in common, where there are tenants; nor
      is a node with those of another trust domain.
    * Who may not know of an agent is told what is told of one that is not there.
    * A permit that asks for something to be done along with it permits nothing here: there is
      nobody who could do it.
"""

from governd.application.call import Call
from governd.application.evaluate import Evaluator
from governd.application.register_agents import AgentKeeper, unknown
from governd.application.sync_policy import PolicyKeeper
from governd.errors import DecisionLogError
from governd.identity import SpiffeId
from governd.kya.registered_agent import RegisteredAgent
from governd.policy.decision import DecisionCode
from governd.policy.question import Question, ResourceRef

ACTION = "agent/invoke"
_RETRY_SECONDS = 1.0


class AgentViewer:
    """The use case behind GetAgent."""

    def __init__(self, policies: PolicyKeeper, evaluator: Evaluator, keeper: AgentKeeper) -> None:
        """Takes what says whose tenant is whose, what decides, and what knows agents."""
        self._policies = policies
        self._evaluator = evaluator
        self._keeper = keeper

    async def get(self, this: Call, wanted: SpiffeId) -> RegisteredAgent:
        """An agent as it is known now, for whoever calls.

        Raises:
            AgentUnknownError: There is no such agent, or the caller may not know of it.
            DecisionLogError: Whether it may cannot be put on record.
        """
        if not (self._is_near(this.workload.spiffe_id, wanted) or await self._asked(this, wanted)):
            raise unknown(wanted)
        return self._keeper.get(wanted)

    def _is_near(self, caller: SpiffeId, wanted: SpiffeId) -> bool:
        """Whether the agent is the caller, or of its tenant, or there are no tenants."""
        if wanted == caller:
            return True
        policy = self._policies.state.policy
        if policy is None or wanted.trust_domain != caller.trust_domain:
            return False  # without a policy, whose tenants are whose is not known yet
        manifest = policy.manifest
        tenant = manifest.tenant_of(wanted)
        return tenant == manifest.tenant_of(caller) and bool(tenant or not manifest.tenant)

    async def _asked(self, this: Call, wanted: SpiffeId) -> bool:
        """Policy's word, on record."""
        question = Question(this.workload.spiffe_id, ACTION, ResourceRef("agent", str(wanted)))
        decision = (await self._evaluator.evaluate(this, question)).decision
        if decision.code is DecisionCode.LOG_UNAVAILABLE:
            message = "the decision cannot be put on record"
            raise DecisionLogError(message, retry_after=_RETRY_SECONDS)
        return decision.allowed and not decision.obligations
