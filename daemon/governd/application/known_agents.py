"""How well agents are known, as a circumstance of every question about them.

Invariant: no delegation counts as better known than any of its actors that registered here.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from governd.application.agents import NOBODY, KnownLevel
from governd.identity import SpiffeId
from governd.policy.delegated import Circumstances, Delegation, EvidenceKind

LevelOf: TypeAlias = Callable[[SpiffeId], KnownLevel]
"""How well an agent is known now."""


def nobody_known(_: SpiffeId) -> KnownLevel:
    """Knows nothing of anybody."""
    return NOBODY


def known(subject: SpiffeId, given: Circumstances, level_of: LevelOf) -> Circumstances:
    """Circumstances with how well the subject is known here, and what its card says.

    An acting-as token says how well its actors were known where it was minted, and those that
    are known here are no better known than that; a user's own token was shown by the one agent
    that acts.

    Args:
        subject: Who a question is about.
        given: What is known beside that.
        level_of: How well agents are known.
    """
    actors = given.delegation.actors if given.delegation else ()
    here = {one: level_of(one) for one in (subject, *actors)}
    here = {one: found for one, found in here.items() if found is not NOBODY}
    if not here:
        return given
    until = min(given.until, *(found.until for found in here.values()))
    least = min(int(found.level) for found in here.values())
    delegation = _no_better(given.delegation, least)
    given = given._replace(delegation=delegation, until=until)
    own = here.get(subject)
    return given if own is None else given._replace(kya_level=int(own.level), kya=own.card)


def _no_better(given: Delegation | None, least: int) -> Delegation | None:
    """The same, of actors of whom the least known one that is known here has that level."""
    if given is None:
        return None
    if EvidenceKind.ACTING_AS in given.evidence:
        least = min(least, given.kya_level)
    return given if least == given.kya_level else replace(given, kya_level=least)
