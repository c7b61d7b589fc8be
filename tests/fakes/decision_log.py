"""A decision log in memory.

Implements ``governd.audit.ports.DecisionLog``. A test breaks it with ``full``.
"""

from collections.abc import Sequence

from governd.errors import DecisionLogError


class FakeDecisionLog:
    """What was put on record.

    Attributes:
        lines: The records, in order.
        full: Whether nothing more can be written.
        unsynced: Whether nothing can be brought to disk.
        durable: How many of the records are on disk.
    """

    def __init__(self) -> None:
        """Begins empty."""
        self.lines: list[bytes] = []
        self.full = False
        self.unsynced = False
        self.durable = 0

    async def append(self, records: Sequence[bytes]) -> None:
        """Keeps records, or none of them.

        Raises:
            DecisionLogError: It is full.
        """
        if self.full:
            message = "decision log cannot be written: no space left on device"
            raise DecisionLogError(message)
        self.lines.extend(records)

    async def append_durably(self, records: Sequence[bytes]) -> None:
        """Keeps records, and brings all to disk.

        Raises:
            DecisionLogError: It is full, or cannot be synced.
        """
        await self.append(records)
        if self.unsynced:
            message = "decision log cannot be synced: Input/output error"
            raise DecisionLogError(message)
        self.durable = len(self.lines)
