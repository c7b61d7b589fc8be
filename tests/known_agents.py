"""Agents at the use cases, under a policy whose ``[kya]`` trusts whom a test says.

node = await Node.started(kya_table(keys=[pinned_jwk], rules=[...]))
found = await node.register(signed(card()))
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from governd.application.agents import Agents, Held
from governd.application.attest_agents import AgentAttester
from governd.application.call import Call
from governd.application.evaluate import Evaluator
from governd.application.register_agents import AgentKeeper
from governd.application.sync_policy import PolicyKeeper
from governd.errors import RegistrationsError
from governd.identity import Attestation, Caller, SpiffeId
from governd.identity.ports import Signer
from governd.kya.registered_agent import RegisteredAgent
from tests.agent_cards import ACME, AUTHORITY, CALLER, PARTNER, REGISTRY, jwk, signer, write
from tests.fakes.agent_store import FakeAgentStore
from tests.fakes.authority import NOON
from tests.fakes.decision_log import FakeDecisionLog
from tests.fakes.policy_compiler import FakePolicyCompiler
from tests.fakes.policy_source import FakePolicySource
from tests.fakes.workloads import Purse
from tests.policies import MANIFEST, PERMIT_ALL, source_files

BUNDLES = {"example.org": AUTHORITY.bundle, "partner.example": PARTNER.bundle}
KEY = {"provider": "Acme", "jwk": json.loads(jwk(ACME, "acme-1"))}
CARD_RULE = {"agents": "spiffe://example.org/ns/shop", "provider": "Acme"}
ATTESTERS = (
    {"spiffe_id": "spiffe://example.org/governd/signer", "max_level": 2},
    {"spiffe_id": str(REGISTRY), "max_level": 3},
)


def kya_table(
    keys: Sequence[Mapping[str, Any]] = (KEY,),
    rules: Sequence[Mapping[str, Any]] = (CARD_RULE,),
    attesters: Sequence[Mapping[str, Any]] = ATTESTERS,
) -> str:
    """``[kya]`` of a manifest."""
    tables = (("key", keys), ("card", rules), ("attester", attesters))
    return "".join(f"[[kya.{name}]]\n{_members(one)}" for name, many in tables for one in many)


def _members(table: Mapping[str, Any]) -> str:
    return "".join(f"{name} = {_toml(value)}\n" for name, value in table.items())


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items()) + "}"
    return value.isoformat() if hasattr(value, "isoformat") else json.dumps(value)


class Observer:
    """What observers were told."""

    def __init__(self) -> None:
        self.loads: list[int] = []
        self.assessments: list[tuple[Held, Held]] = []
        self.registrations: list[bool] = []
        self.approvals: list[str] = []
        self.forgot: list[SpiffeId] = []
        self.failures: list[RegistrationsError] = []
        self.attestations = 0

    def loaded(self, agents: int) -> None:
        self.loads.append(agents)

    def assessed(self, before: Held, after: Held) -> None:
        self.assessments.append((before, after))

    def registered(self, agent: RegisteredAgent, *, changed: bool) -> None:
        self.registrations.append(changed)

    def refused(self) -> None:
        self.failures.append(RegistrationsError("refused"))

    def approved(self, agent: RegisteredAgent, before: str) -> None:
        self.approvals.append(before)

    def forgotten(self, agent: RegisteredAgent) -> None:
        self.forgot.append(agent.spiffe_id)

    def not_kept(self, error: RegistrationsError) -> None:
        self.failures.append(error)

    def attested(self) -> None:
        self.attestations += 1


class DecisionObserver:
    """Forgets what it is told."""

    def decided(self, answer: object) -> None:
        """Nothing comes of it."""


class Node:
    """Agents, their keeper, who attests them, and who decides, over fakes."""

    def __init__(self, store: FakeAgentStore | None = None, **options: Any) -> None:
        """Has no policy yet; ``options`` are those of the keeper."""
        self.store = store or FakeAgentStore()
        self.now = NOON.timestamp()
        self.log = FakeDecisionLog()
        self.observer = Observer()
        self.signer: Signer = signer()
        self.signer_error: Exception | None = None
        self.source = FakePolicySource({})
        self.agents = Agents(self.store, self.observer, wall_clock=lambda: self.now)
        self.policies = PolicyKeeper(
            self.source,
            FakePolicyCompiler(),
            clock=lambda: 0.0,
            on_load=lambda _: None,
            dress=self.agents.dress,
        )
        self.keeper = AgentKeeper(
            self.policies, self.agents, self.log, self.observer, clock=lambda: 0.0, **options
        )
        self.attester = AgentAttester(
            self.policies,
            self.agents,
            lambda _: self._signer(),
            self.log,
            observer=self.observer,
            clock=lambda: 0.0,
        )
        self.evaluator = Evaluator(
            self.policies,
            self.log,
            DecisionObserver(),
            clock=lambda: 0.0,
            wall_clock=lambda: self.now,
            max_lease_seconds=10.0,
            unsafe_answer_without_log=False,
            level_of=self.agents.level,
        )

    @classmethod
    async def started(
        cls, kya: str | None = None, *, policies: str = PERMIT_ALL, **options: Any
    ) -> "Node":
        """One with a policy and trust bundles."""
        node = cls(**options)
        node.agents.load()
        await node.put(kya_table() if kya is None else kya, policies=policies)
        await node.agents.trust(BUNDLES)
        return node

    async def put(self, kya: str, *, policies: str = PERMIT_ALL, more: str = "") -> None:
        """Another policy."""
        for path, content in source_files(policies).items():
            self.source.put(path, content)
        self.source.put("manifest.toml", f"{MANIFEST}{more}{kya}".encode())
        await self.policies.reload()

    async def register(
        self,
        card: Mapping[str, Any] | bytes,
        caller: SpiffeId = CALLER,
        *,
        attestation: str = "",
        held: Any = None,
        certificate: str = "",
    ) -> RegisteredAgent:
        text = card if isinstance(card, bytes) else write(dict(card))
        this = call(caller, held, certificate)
        return await self.keeper.register(this, text, attestation)

    def level(self, caller: SpiffeId = CALLER) -> int:
        return int(self.agents.level(caller).level)

    def records(self, kind: str) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in self.log.lines]
        return [one for one in found if one["kind"] == kind]

    @property
    def epoch(self) -> str:
        return self.policies.state.epoch

    def _signer(self) -> Signer:
        if self.signer_error is not None:
            raise self.signer_error
        return self.signer


def who(spiffe_id: SpiffeId) -> Caller:
    return Caller(spiffe_id, Attestation.STATIC)


def call(spiffe_id: SpiffeId = CALLER, held: Any = None, certificate: str = "") -> Call:
    """A call of an agent's; with what governd holds for it, or with what its channel showed."""
    made = Call(who(spiffe_id), None, Purse(), lambda: 0.0, held=held)
    made.certificate = certificate
    return made
