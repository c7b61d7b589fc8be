"""What agents presented of themselves, and what is known of them under the policy in force.

What is known depends on keys and rules of the policy and on trust bundles: whenever one of
them changes, every agent is looked at anew. It is held as a value that is replaced as a whole.
"""

import asyncio
import contextlib
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple, Protocol, TypeAlias

from governd.application.agent_trust import AgentTrust
from governd.application.operate import Component
from governd.application.ports import AgentStore
from governd.application.registration_lines import not_kept
from governd.audit.ports import DecisionLog
from governd.errors import DecisionLogError, RegistrationsError
from governd.identity import SpiffeId
from governd.identity.verification import Bundles, Verifier
from governd.kya.kept_agent import KeptAgent
from governd.kya.level import Level, level_ends
from governd.kya.registered_agent import RegisteredAgent
from governd.policy.compiled import CompiledPolicy
from governd.policy.known_card import KnownCard
from governd.policy.trusted import Kya

Held: TypeAlias = Mapping[SpiffeId, RegisteredAgent]


class KnownLevel(NamedTuple):
    """How well an agent is known.

    Attributes:
        level: 0 to 3.
        until: From when on that may be less, in seconds since 1970.
        card: What its card says; ``None`` at level 0.
    """

    level: Level = Level.NONE
    until: float = math.inf
    card: KnownCard | None = None


NOBODY = KnownLevel()


class AgentsObserver(Protocol):
    """Watches what is known of agents, for metrics and logs."""

    def loaded(self, agents: int) -> None:
        """So many are back after a restart."""

    def assessed(self, before: Held, after: Held) -> None:
        """Something else is known of them from now on."""


class Agents:
    """The agents of this node."""

    def __init__(
        self, store: AgentStore, observer: AgentsObserver, *, wall_clock: Callable[[], float]
    ) -> None:
        """Holds nobody and trusts nobody yet.

        Args:
            store: Where they are kept.
            observer: Told of them.
            wall_clock: Seconds since 1970.
        """
        self._store = store
        self._observer = observer
        self._wall_clock = wall_clock
        self._kya = Kya()
        self._trust = AgentTrust.of(self._kya)
        self._verifier = Verifier({})
        self._looking = asyncio.Lock()
        self._held: Held = {}
        self._levels: dict[SpiffeId, KnownLevel] = {}

    @property
    def held(self) -> Held:
        """All of them."""
        return self._held

    def load(self) -> None:
        """Takes those that registered before governd started; no policy vouches for one yet.

        Raises:
            RegistrationsError: They cannot be read. Without them any card would count as
                the first one, so that governd must not start.
        """
        found = self._store.load()
        now = self.now()
        self._set({one.spiffe_id: self._trust.assess(one, self._verifier, now) for one in found})
        self._observer.loaded(len(found))

    async def assess(self, kept: KeptAgent) -> RegisteredAgent:
        """What is known now of an agent that presented this."""
        while True:
            trust, generation = self._trust, self._verifier.generation
            found = await asyncio.to_thread(trust.assess, kept, self._verifier, self.now())
            if self._trust is trust and self._verifier.generation == generation:
                return found

    def now(self) -> datetime:
        """The time, in UTC."""
        return datetime.fromtimestamp(self._wall_clock(), UTC)

    def level(self, spiffe_id: SpiffeId) -> KnownLevel:
        """How well an agent is known now; a microsecond where that was asked before."""
        found = self._levels.get(spiffe_id, NOBODY)
        if self._wall_clock() < found.until:
            return found
        found = self._levels[spiffe_id] = _level(self._held[spiffe_id], self.now())
        return found

    async def keep(self, agent: RegisteredAgent, line: bytes, log: DecisionLog) -> None:
        """Takes an agent in place of what was known of it: on record, durably, and on disk.

        On record is only what is written to the disk already, and has but to take its
        place; where that fails all the same, that is on record, too.

        Args:
            agent: What is taken.
            line: Its record.
            log: Where that belongs.

        Raises:
            DecisionLogError: It cannot be put on record; what was known stays.
            RegistrationsError: It cannot be kept; likewise.
        """
        prepared = await self._store.prepare(agent.kept)
        try:
            await log.append_durably([line])
        except DecisionLogError:
            await prepared.abandon()
            raise
        try:
            await prepared.commit()
        except RegistrationsError:
            with contextlib.suppress(DecisionLogError):  # whoever asked hears of the first
                await log.append([not_kept(line)])
            raise
        agent = await self.assess(agent.kept)  # somebody else may be trusted since
        self._set({**self._held, agent.spiffe_id: agent})

    async def forget(self, agent: RegisteredAgent, line: bytes, log: DecisionLog) -> None:
        """Knows nothing of an agent any more: on record, durably, and then on disk.

        Args:
            agent: Which one.
            line: Its record.
            log: Where that belongs.

        Raises:
            DecisionLogError: It cannot be put on record; what was known stays.
            RegistrationsError: It may be there again after a restart; likewise.
        """
        await log.append_durably([line])
        try:
            await self._store.remove(agent.kept)
        except RegistrationsError:
            with contextlib.suppress(DecisionLogError):  # whoever asked hears of the first
                await log.append([not_kept(line)])
            raise
        self._set({key: one for key, one in self._held.items() if key != agent.spiffe_id})

    async def dress(self, policy: CompiledPolicy) -> CompiledPolicy:
        """The same policy; who it trusts vouches from now on. It must come into force at once."""
        if policy.manifest.kya != self._kya:
            async with self._looking:
                await self._look_anew(AgentTrust.of(policy.manifest.kya))
                self._kya = policy.manifest.kya
        return policy

    async def trust(self, bundles: Bundles) -> bool:
        """Trusts these authorities from now on; says whether a level is another for it."""
        before = self._known()
        async with self._looking:
            self._verifier.replace(bundles)
            await self._look_anew(self._trust)
        return self._known() != before

    def state(self) -> Component:
        """How many there are, for status; whatever it is, governd works."""
        held = sum(bool(one.drift) for one in self._held.values())
        detail = f"{len(self._held)} registered, {held} quarantined"
        return Component("agents", ready=True, detail=detail)

    async def _look_anew(self, trust: AgentTrust) -> None:
        while True:
            before = self._held
            found = await asyncio.to_thread(self._assessed, before, trust)
            if self._held is before:  # one that registered meanwhile would be lost otherwise
                break
        self._trust = trust
        self._set(found)

    def _assessed(self, held: Held, trust: AgentTrust) -> Held:
        now = self.now()
        return {
            spiffe_id: trust.assess(one.kept, self._verifier, now)
            for spiffe_id, one in held.items()
        }

    def _set(self, held: Held) -> None:
        before, self._held, now = self._held, held, self.now()
        self._levels = {spiffe_id: _level(one, now) for spiffe_id, one in held.items()}
        self._observer.assessed(before, held)

    def _known(self) -> Mapping[SpiffeId, Level]:
        return {spiffe_id: self.level(spiffe_id).level for spiffe_id in self._held}


def _level(agent: RegisteredAgent, now: datetime) -> KnownLevel:
    level, ends = agent.level(now), level_ends(agent.known, now)
    until = ends.timestamp() if ends else math.inf
    if level is Level.NONE:
        return KnownLevel(level, until)
    card = agent.card
    known = KnownCard(card.name, card.provider, frozenset(agent.skills), card.version)
    return KnownLevel(level, until, known)
