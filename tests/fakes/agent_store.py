"""A store of agents in memory.

Implements ``governd.application.ports.AgentStore``. A test breaks it with ``full`` or
``broken``.
"""

import asyncio

from governd.errors import RegistrationsError
from governd.identity import SpiffeId
from governd.kya.kept_agent import KeptAgent


class FakeAgentStore:
    """What is kept.

    Attributes:
        kept: By SPIFFE ID.
        full: Whether nothing more can be written.
        broken: Whether what is written cannot be kept.
        abandoned: How often what was written was not to be kept.
        prepared: Set when something was written.
    """

    def __init__(self, *agents: KeptAgent) -> None:
        """Begins with these."""
        self.kept: dict[SpiffeId, KeptAgent] = {one.spiffe_id: one for one in agents}
        self.full = False
        self.broken = False
        self.abandoned = 0
        self.prepared = asyncio.Event()

    def load(self) -> list[KeptAgent]:
        """All that is kept."""
        return list(self.kept.values())

    async def prepare(self, registration: KeptAgent) -> "FakePrepared":
        """Takes an agent that may be kept.

        Raises:
            RegistrationsError: It is full.
        """
        if self.full:
            message = "agents: cannot be written: no space left on device"
            raise RegistrationsError(message)
        self.prepared.set()
        return FakePrepared(self, registration)

    async def remove(self, registration: KeptAgent) -> None:
        """Keeps nothing of an agent any more.

        Raises:
            RegistrationsError: It is broken.
        """
        if self.broken:
            message = "agents: cannot be written: input/output error"
            raise RegistrationsError(message)
        self.kept.pop(registration.spiffe_id, None)


class FakePrepared:
    """An agent that may be kept."""

    def __init__(self, store: FakeAgentStore, agent: KeptAgent) -> None:
        """Takes it, and where it may be kept."""
        self._store = store
        self._agent = agent

    async def commit(self) -> None:
        """Keeps it in place of the one before.

        Raises:
            RegistrationsError: The store is broken.
        """
        if self._store.broken:
            message = "agents: cannot be written: input/output error"
            raise RegistrationsError(message)
        self._store.kept[self._agent.spiffe_id] = self._agent

    async def abandon(self) -> None:
        """Leaves what was kept before as it is."""
        self._store.abandoned += 1
