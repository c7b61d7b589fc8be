"""What the policy package needs from outside."""

from collections.abc import Mapping
from typing import Protocol


class PolicySourcePort(Protocol):
    """Where the files of a policy come from."""

    def signature(self) -> object:
        """What identifies the source's present state, cheaply.

        Raises:
            PolicyError: The source is away or not acceptable.
        """

    def read(self) -> tuple[object, Mapping[str, bytes]]:
        """The signature and the content by path, of one and the same state.

        Raises:
            PolicyError: The source is away or not acceptable.
        """
