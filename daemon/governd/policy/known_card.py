"""What policies see of a known agent's card: ``context.kya``.

Values only, as attestations state them. Left to others: whether the card is the agent's, and
who vouches for it (``kya``).
"""

from typing import NamedTuple

_TEXT_CHARS = 96


class KnownCard(NamedTuple):
    """What the card of an agent of level 1 or more says; whoever registers a card bounds it.

    Attributes:
        name: The agent's name.
        provider: The organization that it says it is of; ``""`` for none.
        skills: Ids; empty where they are too many to be told.
        version: The agent's own.
    """

    name: str = ""
    provider: str = ""
    skills: frozenset[str] = frozenset()
    version: str = ""

    @property
    def chars(self) -> int:
        """What keeping it costs, in characters."""
        texts = (self.name, self.provider, self.version, *self.skills)
        return sum(_TEXT_CHARS + len(text) for text in texts)

    def members(self) -> dict[str, object]:
        """As policies see it, in Cedar's JSON form."""
        return {
            "name": self.name,
            "provider": self.provider,
            "skills": sorted(self.skills),
            "card_version": self.version,
        }


OF_A_CARD = tuple(KnownCard().members())
"""Members of ``context.kya``."""
