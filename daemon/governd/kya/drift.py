"""What makes a card another one than the one that was looked at.

The first card that an agent presents is pinned, as is one that an operator approved. A card
whose digest differs from the pinned one is quarantined, and so is one that lost what vouched
for it: until an operator approves it, it counts for nothing, however it is signed. The very
provider's key may have signed both; a swap of one of its cards for another is what this stops.

No drift: other white space or order of members, defaults written out or left out, further
signatures, another key of the same provider.
"""

import enum
from collections.abc import Iterator
from typing import NamedTuple

from governd.kya.card import AgentCard


class DriftReason(enum.Enum):
    """How a card differs from the pinned one; ``agent_service.proto`` documents each."""

    AGENT_CHANGED = 1
    SKILLS_CHANGED = 2
    INTERFACES_CHANGED = 3
    SIGNATURE_LOST = 4
    CARD_CHANGED = 5


class Pin(NamedTuple):
    """The card that was looked at.

    Attributes:
        card: The card.
        by_provider: Whether its provider's key signed it.
    """

    card: AgentCard
    by_provider: bool


_SHOWN = 8

Finding = tuple[DriftReason, str]
"""A reason, and the same in words."""


def drift_of(pin: Pin, card: AgentCard, *, by_provider: bool) -> Iterator[Finding]:
    """How a card differs from the pinned one, the gravest first; nothing where it does not.

    Args:
        pin: What it is held to.
        card: What is presented now.
        by_provider: Whether its provider's key signed that.
    """
    known = pin.card
    if (known.name, known.provider) != (card.name, card.provider):
        yield DriftReason.AGENT_CHANGED, "name or provider differ from those of the pinned card"
    if known.skills != card.skills:
        changed = sorted(set(known.skills) ^ set(card.skills))
        words = ", ".join(ascii(one)[1:-1] for one in changed[:_SHOWN])
        yield DriftReason.SKILLS_CHANGED, f"skills came or went: {words}"
    if known.interfaces != card.interfaces:
        yield DriftReason.INTERFACES_CHANGED, "is reached elsewhere than by the pinned card"
    if pin.by_provider and not by_provider:
        yield DriftReason.SIGNATURE_LOST, "is not signed by its provider any more"
    if known.digest != card.digest:
        yield DriftReason.CARD_CHANGED, f"is {card.digest}, the pinned one {known.digest}"
