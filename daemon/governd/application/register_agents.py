"""Takes what agents present of themselves: their cards, and what others attest of them.

Each is written, put on record, kept, then in force; what fails on the way leaves everything
as it was. They are taken one after the other, each to its end even if its caller hangs up
meanwhile. Where an agent is known better or worse for it, the epoch changes.
"""

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable
from typing import Any, Protocol, TypeVar

from governd.application.agent_lines import agent_approval_line, agent_forgotten_line, agent_line
from governd.application.agents import Agents
from governd.application.attest_agents import certificates_of
from governd.application.call import Call
from governd.application.sync_policy import PolicyKeeper
from governd.audit.ports import DecisionLog
from governd.errors import (
    AgentUnknownError,
    DecisionLogError,
    RegistrationsError,
    RegistrationTooLargeError,
    RequestError,
)
from governd.identity import SpiffeId
from governd.identity.verification import Bundles
from governd.kya.attestation import MAX_BYTES
from governd.kya.card import AgentCard, CardLimits
from governd.kya.card_reader import read_card
from governd.kya.kept_agent import KeptAgent
from governd.kya.registered_agent import RegisteredAgent, approve
from governd.policy.decision import PolicyInfo

MAX_AGENTS = 4096
"""Of one node: each has two cards on disk at most."""
_RETRY_SECONDS = 1.0

_Done = TypeVar("_Done")


class AgentObserver(Protocol):
    """Watches registrations and approvals, for metrics and logs."""

    def registered(self, agent: RegisteredAgent, *, changed: bool) -> None:
        """A registration was taken, or is the same as before."""

    def approved(self, agent: RegisteredAgent, before: str) -> None:
        """An operator pinned a card; ``before`` is the digest that it was held to."""

    def forgotten(self, agent: RegisteredAgent) -> None:
        """An operator had an agent forgotten; as it was known before."""

    def not_kept(self, error: RegistrationsError) -> None:
        """The disk failed, so that nothing was taken or forgotten."""


class AgentKeeper:
    """The use case behind RegisterAgent, ApproveAgent and ForgetAgent."""

    def __init__(
        self,
        policies: PolicyKeeper,
        agents: Agents,
        log: DecisionLog,
        observer: AgentObserver,
        *,
        clock: Callable[[], float],
        max_agents: int = MAX_AGENTS,
    ) -> None:
        """Takes its parts.

        Args:
            policies: Holds the policy in force.
            agents: Those that registered.
            log: Where registrations and approvals are put on record.
            observer: Told of each.
            clock: Monotonic seconds.
            max_agents: How many there can be.
        """
        self._policies = policies
        self._agents = agents
        self._log = log
        self._observer = observer
        self._clock = clock
        self._max_agents = max_agents
        self._turn = asyncio.Lock()
        self._working: asyncio.Future[Any] | None = None

    async def register(
        self, this: Call, card_json: bytes, attestation: str = ""
    ) -> RegisteredAgent:
        """Takes the card of the calling agent, in place of the one before.

        Args:
            this: In which it is presented; who does is as the channel says.
            card_json: As the agent serves it.
            attestation: What an attester says of it; ``""`` for nothing.

        Raises:
            CardError: The card breaks a rule.
            RequestError: The attestation is longer than any.
            RegistrationTooLargeError: There are as many agents as there can be.
            DecisionLogError: It cannot be put on record, or not be kept.
        """
        if len(attestation) > MAX_BYTES or not attestation.isascii():
            message = f"attestation: expected a compact JWS of at most {MAX_BYTES} bytes"
            raise RequestError(message, field="attestation")
        card = await asyncio.to_thread(read_card, card_json, limits=CardLimits())
        return await self._in_turn(lambda: self._register(this, card, attestation))

    async def approve(self, spiffe_id: SpiffeId, digest: str) -> RegisteredAgent:
        """Holds an agent to the card that it presented last.

        Args:
            spiffe_id: Which agent.
            digest: Of the card that was looked at.

        Raises:
            AgentUnknownError: There is no such agent.
            ApprovalError: It presented another card since.
            DecisionLogError: It cannot be put on record, or not be kept.
        """
        return await self._in_turn(lambda: self._approve(spiffe_id, digest))

    async def forget(self, spiffe_id: SpiffeId) -> RegisteredAgent:
        """Forgets an agent; the next card that it presents is its first one.

        Args:
            spiffe_id: Which agent.

        Returns:
            As it was known before.

        Raises:
            AgentUnknownError: There is no such agent.
            DecisionLogError: It cannot be put on record, or may be there again after a restart.
        """
        return await self._in_turn(lambda: self._forget(spiffe_id))

    def get(self, spiffe_id: SpiffeId) -> RegisteredAgent:
        """An agent as it is known now.

        Raises:
            AgentUnknownError: There is no such agent.
        """
        found = self._agents.held.get(spiffe_id)
        if found is None:
            raise unknown(spiffe_id)
        return found

    @property
    def policy(self) -> PolicyInfo:
        """What decides now."""
        return self._policies.state.info(self._clock())

    async def follow(self, bundles: AsyncIterable[Bundles]) -> None:
        """Trusts what is to be trusted, for as long as that is told."""
        async for one in bundles:
            if await self._agents.trust(one):
                await self._policies.redress()

    async def _register(self, this: Call, card: AgentCard, attestation: str) -> RegisteredAgent:
        agents, caller = self._agents, this.workload
        spiffe_id = caller.spiffe_id
        old = agents.held.get(spiffe_id)
        if old is None and len(agents.held) >= self._max_agents:
            message = f"this node has {self._max_agents} agents, which is the limit"
            raise RegistrationTooLargeError(message, metadata={"limit": str(self._max_agents)})
        kept = KeptAgent.presented(
            spiffe_id,
            card,
            old.kept if old else None,
            attestation=attestation,
            certificates=frozenset(certificates_of(this, agents.now()) if attestation else ()),
        )
        new = await agents.assess(kept)
        if new != old:
            await self._take(agent_line(caller, new, agents.now(), self.policy), new)
        self._observer.registered(new, changed=new != old)
        return self.get(spiffe_id)

    async def _approve(self, spiffe_id: SpiffeId, digest: str) -> RegisteredAgent:
        old = self.get(spiffe_id)
        new = approve(old, digest)
        if new.kept != old.kept:
            line = agent_approval_line(old, self._agents.now(), self.policy)
            await self._take(line, new)
            self._observer.approved(new, old.pin.card.digest)
        return self.get(spiffe_id)

    async def _forget(self, spiffe_id: SpiffeId) -> RegisteredAgent:
        old = self.get(spiffe_id)
        line = agent_forgotten_line(old, self._agents.now(), self.policy)
        await self._change(spiffe_id, self._agents.forget(old, line, self._log))
        self._observer.forgotten(old)
        return old

    async def _take(self, line: bytes, agent: RegisteredAgent) -> None:
        """Puts an agent on record, on disk and in force."""
        await self._change(agent.spiffe_id, self._agents.keep(agent, line, self._log))

    async def _change(self, spiffe_id: SpiffeId, work: Awaitable[None]) -> None:
        """Has something else known of an agent, and the epoch be another where it counts."""
        before = self._agents.level(spiffe_id)
        try:
            await work
        except RegistrationsError as error:
            self._observer.not_kept(error)
            raise DecisionLogError(str(error), retry_after=_RETRY_SECONDS) from error
        except DecisionLogError as error:
            raise DecisionLogError(str(error), retry_after=_RETRY_SECONDS) from error
        after = self._agents.level(spiffe_id)
        # What is leased counts for as long as the level did: not where it ends earlier now.
        if after.level != before.level or after.until < before.until:
            await self._policies.redress()

    async def _in_turn(self, work: Callable[[], Awaitable[_Done]]) -> _Done:
        """Does one thing after the other, and to its end, whoever hangs up."""
        await self._turn.acquire()
        self._working = task = asyncio.ensure_future(work())
        task.add_done_callback(lambda _: self._turn.release())
        return await asyncio.shield(task)


def unknown(spiffe_id: SpiffeId) -> AgentUnknownError:
    """What is said of an agent that is not there."""
    message = f"{spiffe_id} has registered no card"
    return AgentUnknownError(message, metadata={"spiffe_id": str(spiffe_id)})
