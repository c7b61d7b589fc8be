"""Tokens that are held for whoever asks again: whose they are, how long, and from when on anew.

Pure arithmetic; who holds them and who refreshes them is the application's. Times are
seconds since 1970.

Promises:
    * A held token belongs to one caller, one evidence, one upstream with one definition, and
      one list of scopes. Whoever differs in one of them gets another one.
    * It is held no longer than the token, the evidence and the SVID that it rests on.
    * It is asked for anew before its end, at another moment for each.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

from governd.identity import SpiffeId
from governd.identity.user import User
from governd.tokens.check import AccessToken

REFRESH_FROM = 0.7
REFRESH_WITHIN = 0.1
"""Of a token's life: anew at 70 to 80 % of it."""
YOUNG_SECONDS = 5.0
"""A token this young is not asked for anew because a caller says that it was refused."""


class TokenKey(NamedTuple):
    """Whose a token is, and what for.

    Attributes:
        caller: Who gets it; the channel said so.
        evidence: Digest of what proved the user; ``""`` where there is no user.
        upstream: Its name in the policy source.
        scopes: What was asked for, sorted.
        definition: Digest of all that the policy source says of the upstream and of its
            authorization servers (``digests.definition_of``).
    """

    caller: SpiffeId
    evidence: str
    upstream: str
    scopes: tuple[str, ...]
    definition: str


@dataclass(frozen=True, slots=True)
class Held:
    """A token that is held.

    Attributes:
        token: The token.
        user: In whose name; ``None`` for nobody's.
        issued_at: When it came.
        ends: From when on it is handed out no more.
        refresh_at: From when on another one is asked for, if this one is used.
        uses: How often it was handed out.
    """

    token: AccessToken
    user: User | None
    issued_at: float
    ends: float
    refresh_at: float
    uses: int = 0

    def counts(self, now: float) -> bool:
        """Whether it may be handed out."""
        return now < self.ends

    def is_due(self, now: float) -> bool:
        """Whether it is time to ask for another one, ahead of its end."""
        return now >= self.refresh_at

    def is_young(self, now: float) -> bool:
        """Whether it is too young to be dropped because a caller says so."""
        return 0 <= now - self.issued_at < YOUNG_SECONDS

    def used(self) -> Self:
        """The same, handed out once more."""
        return replace(self, uses=self.uses + 1)


def hold(
    token: AccessToken,
    user: User | None,
    *,
    rests_on: Iterable[float],
    now: float,
    jitter: float,
) -> Held:
    """A token as it is held.

    Args:
        token: What was accepted.
        user: In whose name.
        rests_on: When the evidence ends, and the SVIDs that were shown for it.
        now: When it came.
        jitter: From 0 to 1, random: when within the span it is asked for anew.
    """
    ends = min([token.expires_at, *rests_on])
    share = REFRESH_FROM + REFRESH_WITHIN * min(max(jitter, 0.0), 1.0)
    return Held(token, user, now, ends, now + share * max(ends - now, 0.0))
