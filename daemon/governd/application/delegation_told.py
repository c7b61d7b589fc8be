"""What policy is told of an acting-as token.

The token says with what its chain began: where that was a user's access token, policy hears of
that as long as the chain lasts.
"""

from governd.application.known_agents import LevelOf, nobody_known
from governd.delegation.acting_as import ActingAs
from governd.delegation.binding import BindingLevel
from governd.delegation.details import ToolDetail
from governd.identity import SpiffeId
from governd.policy.delegated import DelegatedTools, Delegation, EvidenceKind

TYPES = {
    EvidenceKind.ID_TOKEN: "urn:ietf:params:oauth:token-type:id_token",
    EvidenceKind.ACCESS_TOKEN: "urn:ietf:params:oauth:token-type:access_token",
}
"""URIs of kinds of tokens (RFC 8693, section 3)."""


def delegation_of(
    token: ActingAs,
    actors: tuple[SpiffeId, ...],
    *,
    binding: BindingLevel,
    expires: float,
    level_of: LevelOf = nobody_known,
) -> Delegation:
    """What policy is told of a token.

    Args:
        token: What it says.
        actors: Who acts, and who delegated to it: the token's actors last.
        binding: How tightly it was tied.
        expires: From when on it counts no more, in seconds since 1970.
        level_of: How well the actors are known of whom the token does not speak.
    """
    seen = {one.type for one in token.evidence}
    began = {kind for kind, uri in TYPES.items() if uri in seen}
    levels = [int(level_of(one).level) for one in actors[: -token.depth]]
    return Delegation(
        token.user,
        actors,
        frozenset({EvidenceKind.ACTING_AS, *began}),
        expires,
        frozenset(token.scopes),
        tools_of(token.details),
        int(binding),
        min([token.kya_level, *levels]),
    )


def tools_of(details: tuple[ToolDetail, ...]) -> tuple[DelegatedTools, ...]:
    """Authorization details as policy has them."""
    return tuple(
        DelegatedTools(frozenset(one.actions), frozenset(one.locations), frozenset(one.tools))
        for one in details
    )
