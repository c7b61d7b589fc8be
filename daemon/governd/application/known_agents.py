"""How well agents are known, as a circumstance of every question about them."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from governd.application.agents import NOBODY, KnownLevel
from governd.identity import SpiffeId
from governd.policy.delegated import Circumstances, EvidenceKind

LevelOf: TypeAlias = Callable[[SpiffeId], KnownLevel]
"""How well an agent is known now."""


def nobody_known(_: SpiffeId) -> KnownLevel:
    """Knows nothing of anybody."""
    return NOBODY


def known(subject: SpiffeId, given: Circumstances, level_of: LevelOf) -> Circumstances:
    """Circumstances with how well the subject is known here.

    An acting-as token says itself how well its actors are known; a user's own token was shown
    by the one agent that acts.

    Args:
        subject: Who a question is about.
        given: What is known beside that.
        level_of: How well agents are known.
    """
    found = level_of(subject)
    if found is NOBODY:
        return given
    level, delegation = int(found.level), given.delegation
    if delegation is not None and EvidenceKind.ACTING_AS not in delegation.evidence:
        delegation = replace(delegation, kya_level=level)
    return Circumstances(level, delegation, min(given.until, found.until))
