"""What has to outlive a restart of an agent: what it presented, and what it is held to.

Nothing of it depends on who is trusted now. What follows of it is ``RegisteredAgent``.
"""

from dataclasses import dataclass, field, replace
from typing import Self

from governd.identity import SpiffeId
from governd.kya.card import AgentCard
from governd.kya.drift import Pin


@dataclass(frozen=True, slots=True)
class KeptAgent:
    """What an agent presented, and the card that it is held to.

    Attributes:
        spiffe_id: Who, as the channel said.
        card: What it presented last.
        by_provider: Whether a key of the card's provider was ever found to have signed it.
        pin: The card that it is held to.
        attestation: The token that came with the card; ``""`` for none.
        certificates: ``x5t#S256`` of the X.509-SVIDs that it had then.
    """

    spiffe_id: SpiffeId
    card: AgentCard
    by_provider: bool
    pin: Pin
    attestation: str = field(default="", repr=False)
    certificates: frozenset[str] = frozenset()

    @classmethod
    def presented(
        cls,
        spiffe_id: SpiffeId,
        card: AgentCard,
        previous: "KeptAgent | None" = None,
        *,
        attestation: str = "",
        certificates: frozenset[str] = frozenset(),
    ) -> Self:
        """An agent that presents a card, not looked at yet.

        Args:
            spiffe_id: Who, as the channel says.
            card: What it presents.
            previous: What is kept of it; ``None`` where it is new, and held to this card.
            attestation: The token that comes with the card; ``""`` for none.
            certificates: ``x5t#S256`` of the X.509-SVIDs that it has.
        """
        pin = previous.pin if previous else Pin(card, by_provider=False)
        # The very same signatures were checked before: they are no less the provider's.
        by_provider = previous is not None and previous.card == card and previous.by_provider
        return cls(spiffe_id, card, by_provider, pin, attestation, certificates)

    def vouched_for(self, *, by_provider: bool) -> Self:
        """The same; a signature that the card or the pinned one gains is held to as well."""
        found = by_provider or self.by_provider
        gained = by_provider and self.card.digest == self.pin.card.digest
        pin = self.pin._replace(by_provider=self.pin.by_provider or gained)
        return replace(self, by_provider=found, pin=pin)
