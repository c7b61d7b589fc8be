"""What the audit needs from outside."""

from collections.abc import Sequence
from typing import Protocol


class DecisionLog(Protocol):
    """An append-only record of decisions."""

    async def append(self, records: Sequence[bytes]) -> None:
        """Puts records on file, in order, before it returns.

        Args:
            records: Each one line without its line end.

        Raises:
            DecisionLogError: They are not on file. The log is not torn.
        """

    async def append_durably(self, records: Sequence[bytes]) -> None:
        """Brings records to disk, and all before them, before it returns.

        Args:
            records: As for ``append``.

        Raises:
            DecisionLogError: They are not on file, or may be lost with the power.
        """
