"""What use cases need of the world, beside the domain's own ports."""

from collections.abc import Mapping
from typing import Protocol

from governd.policy.compiled import CompiledPolicy


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
