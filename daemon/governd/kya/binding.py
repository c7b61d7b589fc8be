"""Whether a card is that of the agent that presents it.

A signature proves whose key signed a card, not who shows it: cards are public. So a card
counts for nobody but
    * whoever signed it with their own X.509-SVID, or
    * whom the configuration says it is of (``BindingRule``).
Who presents it is what the channel says (A2A v1.0, section 8.4, leaves this to the verifier).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from governd.identity import SpiffeId
from governd.kya.card import AgentCard
from governd.kya.card_signature import Vouched


@dataclass(frozen=True, slots=True)
class BindingRule:
    """Which agents may present which cards. What is empty is not looked at.

    Attributes:
        agents: A SPIFFE ID, or a prefix of some at a segment's boundary.
        provider: ``provider.organization`` of the cards.
        name: ``name`` of the cards.
        urls: Every interface of the cards is one of them, spelled exactly so.
    """

    agents: str
    provider: str = ""
    name: str = ""
    urls: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        """Refuses a rule by which any card would be anybody's.

        Raises:
            RequestError: ``agents`` is no SPIFFE ID.
            ValueError: It says nothing of the cards.
        """
        SpiffeId.parse(self.agents, field="agents")
        if not (self.provider or self.name or self.urls):
            message = "expected a provider, a name or urls: any card would be theirs"
            raise ValueError(message)

    def covers(self, card: AgentCard, caller: SpiffeId) -> bool:
        """Whether it says that the card is the caller's."""
        return (
            caller.is_under(self.agents)
            and self.provider in {"", card.provider}
            and self.name in {"", card.name}
            and (not self.urls or self._reached(card))
        )

    def _reached(self, card: AgentCard) -> bool:
        urls = {one.url for one in card.interfaces}
        return bool(urls) and urls <= self.urls


@dataclass(frozen=True, slots=True)
class Binding:
    """What makes a card the caller's.

    Attributes:
        by_rule: The configuration says so.
        until: Until when the caller's own signature does, in UTC; ``None`` for not at all.
    """

    by_rule: bool = False
    until: datetime | None = None

    def counts(self, now: datetime) -> bool:
        """Whether the card is the caller's at that time."""
        return self.by_rule or (self.until is not None and now < self.until)


def bind(
    card: AgentCard, signatures: Sequence[Vouched], caller: SpiffeId, rules: Sequence[BindingRule]
) -> Binding:
    """What makes a card the caller's, if anything does.

    Args:
        card: What is presented.
        signatures: What is known of its signatures, for this caller.
        caller: Who presents it, as the channel says.
        rules: Of the configuration; one that covers is enough.
    """
    ends = [one.not_after for one in signatures if one.by_caller and one.not_after]
    return Binding(any(rule.covers(card, caller) for rule in rules), max(ends, default=None))
