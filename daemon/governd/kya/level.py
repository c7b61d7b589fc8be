"""How much is known of an agent: a pure function of what was verified.

    0. Nothing that counts: no card, one that is not bound to the agent, one whose signature
       fails, or one that is quarantined.
    1. The card is the agent's own (``binding``).
    2. And a key of its provider, from the configuration, signed it.
    3. And an attester that is configured for level 3 attests this very card for this agent.

Promises:
    * More is never less: verifying one thing more does not lower the level.
    * Each level has all that the one below it has.
"""

import enum
from dataclasses import dataclass
from datetime import datetime

from governd.kya.binding import Binding
from governd.kya.card_signature import SignatureStatus, Vouched


class Level(enum.IntEnum):
    """How much is known of an agent; ``agent_service.proto`` documents each."""

    NONE = 0
    BOUND = 1
    SIGNED = 2
    ATTESTED = 3


@dataclass(frozen=True, slots=True)
class Known:
    """What was verified of a card that an agent presented.

    Attributes:
        binding: What makes it the agent's.
        vouched: The best of its signatures.
        attested_until: When the attestation of level 3 ends, in UTC; ``None`` for none.
        quarantined: Whether it waits to be looked at.
    """

    binding: Binding
    vouched: Vouched
    attested_until: datetime | None = None
    quarantined: bool = False


def level_of(known: Known, now: datetime) -> Level:
    """How much is known at that time."""
    failed = known.vouched.status is SignatureStatus.FAILED
    if known.quarantined or failed or not known.binding.counts(now):
        return Level.NONE
    if not (known.vouched.by_provider and known.vouched.counts(now)):
        return Level.BOUND
    if known.attested_until is None or now >= known.attested_until:
        return Level.SIGNED
    return Level.ATTESTED


def level_ends(known: Known, now: datetime) -> datetime | None:
    """When the level falls by itself, in UTC; ``None`` for never."""
    ends = (known.binding.until, known.vouched.not_after, known.attested_until)
    level = level_of(known, now)
    falls = sorted(one for one in ends if one is not None and level_of(known, one) < level)
    return falls[0] if falls else None
