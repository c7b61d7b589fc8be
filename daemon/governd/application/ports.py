"""What use cases need of the world, beside the domain's own ports."""

from collections.abc import Mapping
from typing import Protocol

from governd.errors import PolicyError
from governd.kya.kept_agent import KeptAgent
from governd.policy.compiled import CompiledPolicy
from governd.policy.registration import Registration


class CompilerError(PolicyError):
    """Compiling failed, and not for what the source says: it may work the next time."""


class PolicyCompilerPort(Protocol):
    """Makes a policy that answers of the files of a source."""

    def digest(self, files: Mapping[str, bytes]) -> str:
        """The digest that the compiled policy will have; ``""`` where that cannot be told."""

    async def compile(self, files: Mapping[str, bytes]) -> CompiledPolicy:
        """The policy in the files.

        Holds the event loop for no more than a few milliseconds at a time.

        Raises:
            PolicyError: The files are no good policy, with everything that is wrong, or
                compiling failed.
        """


class PreparedRegistration(Protocol):
    """A registration that is on disk as a whole, and not kept yet. Ended in one of two ways."""

    async def commit(self) -> None:
        """Keeps it in place of the one before.

        Raises:
            RegistrationsError: It is not certain to outlive a restart.
        """

    async def abandon(self) -> None:
        """Leaves what was kept before as it is; never fails."""


class RegistrationStore(Protocol):
    """Keeps what MCP servers registered, over restarts."""

    def load(self) -> list[Registration]:
        """All that is kept, one for each SPIFFE ID and server.

        Raises:
            RegistrationsError: Some of it cannot be read, and so none of it may be used.
        """

    async def prepare(self, registration: Registration) -> PreparedRegistration:
        """Writes a registration beside the same server's before, which still is what is kept.

        One of a server is prepared at a time.

        Raises:
            RegistrationsError: It cannot be written.
        """


class AgentStore(Protocol):
    """Keeps what agents presented, over restarts."""

    def load(self) -> list[KeptAgent]:
        """All that is kept, one for each SPIFFE ID.

        Raises:
            RegistrationsError: Some of it cannot be read, and so none of it may be used.
        """

    async def prepare(self, registration: KeptAgent, /) -> PreparedRegistration:
        """Writes an agent beside what is kept of it, which still is what is kept.

        One of an agent is prepared at a time.

        Raises:
            RegistrationsError: It cannot be written.
        """

    async def remove(self, registration: KeptAgent, /) -> None:
        """Keeps nothing of an agent any more.

        Raises:
            RegistrationsError: It may be there again after a restart.
        """
