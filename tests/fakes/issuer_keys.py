"""A place where an issuer's keys are, without a network.

Implements ``governd.application.issuer_keys.KeySource``. A test sets ``document``, has it
away with ``error``, or slow with ``hold``.
"""

import asyncio

from governd.application.issuer_ports import IssuerAwayError


class FakeKeySource:
    """Answers with a document.

    Attributes:
        document: The answer.
        error: What is wrong instead; ``""`` for nothing.
        asked: The addresses, in order.
        held: While it is not set, nothing is answered.
    """

    def __init__(self, document: bytes = b"{}") -> None:
        """Answers at once."""
        self.document = document
        self.error = ""
        self.asked: list[str] = []
        self.held = asyncio.Event()
        self.held.set()

    async def fetch(self, uri: str) -> bytes:
        """The document.

        Raises:
            IssuerAwayError: ``error`` is set.
        """
        self.asked.append(uri)
        await self.held.wait()
        if self.error:
            raise IssuerAwayError(self.error)
        return self.document
