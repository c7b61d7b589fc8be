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
    """

    def __init__(self) -> None:
        """Begins empty."""
        self.lines: list[bytes] = []
        self.full = False

    async def append(self, records: Sequence[bytes]) -> None:
        """Keeps records, or none of them.

        Raises:
            DecisionLogError: It is full.
        """
        if self.full:
            message = "decision log cannot be written: no space left on device"
            raise DecisionLogError(message)
        self.lines.extend(records)
