"""What is revoked, kept in memory.

Implements ``governd.application.revocations.RevocationStore``. A test breaks it with ``full``.
"""

from governd.application.revocations import RevocationsError
from governd.delegation.revocation_list import RevocationList


class FakeRevocationStore:
    """Keeps a list.

    Attributes:
        kept: The list.
        full: Whether nothing more can be kept.
    """

    def __init__(self) -> None:
        """Keeps nothing yet."""
        self.kept = RevocationList()
        self.full = False

    def load(self) -> RevocationList:
        """What was kept last."""
        return self.kept

    async def save(self, revoked: RevocationList) -> None:
        """Keeps this and nothing else.

        Raises:
            RevocationsError: It is full.
        """
        if self.full:
            message = "no space left on device"
            raise RevocationsError(message)
        self.kept = revoked
