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
