"""Whose identities governd holds for a caller."""

from typing import Protocol

from governd.application.call import Call
from governd.application.keep_identities import HeldIdentity


class Identities(Protocol):
    """Knows what is held for callers."""

    def of(self, call: Call) -> HeldIdentity | None:
        """What is held for who calls; ``None`` where the channel alone proves who that is."""
