"""Circumstances as somebody states them who asks what would be: in tests, and to explain.

Nothing of them is verified, so nothing may be done on the strength of them.
"""

from typing import Annotated

from pydantic import AwareDatetime, Field

from governd.identity import SpiffeId, jose
from governd.policy.delegated import (
    Circumstances,
    DelegatedTools,
    Delegation,
    EvidenceKind,
    read_user,
)
from governd.policy.known_card import KnownCard
from governd.policy.table import Label, Table

MAX_STATED = 64
"""Actors, scopes, tools, or skills."""

_Texts = Annotated[tuple[str, ...], Field(max_length=MAX_STATED)]


class StatedTools(Table):
    """Tools that a delegation names.

    Attributes:
        actions: What may be done, e.g. ``call``.
        locations: With which servers, by SPIFFE ID.
        tools: With which of their tools.
    """

    actions: _Texts
    locations: _Texts
    tools: _Texts


class StatedDelegation(Table):
    """A delegation; its members are those of ``context.delegation``.

    Attributes:
        user: ``<issuer>#<subject>``.
        actors: SPIFFE IDs, who asks first; left out, nobody else acts.
        evidence: ``id_token``, ``access_token`` or ``acting_as``.
        scopes: What was delegated.
        details: Likewise, tool by tool.
        binding: Of the acting-as token, 0 to 3.
        kya_level: Of the least known actor, 0 to 3.
        expires: When it ends; left out, never.
        granted: What the user's access token grants; left out, what ``scopes`` say.
    """

    user: str
    actors: _Texts = ()
    evidence: Annotated[tuple[EvidenceKind, ...], Field(max_length=3)] = (EvidenceKind.ID_TOKEN,)
    scopes: _Texts = ()
    details: Annotated[tuple[StatedTools, ...], Field(max_length=MAX_STATED)] = ()
    binding: int = 0
    kya_level: int = 0
    expires: AwareDatetime | None = None
    granted: _Texts | None = None


class StatedCard(Table):
    """What the subject's card says; its members are those of ``context.kya``.

    Attributes:
        name: The agent's name.
        provider: The organization.
        skills: Ids.
        card_version: The agent's own version.
    """

    name: str = ""
    provider: str = ""
    skills: _Texts = ()
    card_version: str = ""

    def known(self) -> KnownCard:
        """As policies are told of it."""
        return KnownCard(self.name, self.provider, frozenset(self.skills), self.card_version)


class StatedToken(Table):
    """A token for an upstream.

    Attributes:
        upstream: Its name in the manifest.
        scopes: What it is to permit; all of the upstream's where none are named.
    """

    upstream: Label
    scopes: _Texts = ()


def circumstances(
    stated: StatedDelegation | None, subject: SpiffeId, *, kya_level: int = 0
) -> Circumstances:
    """The circumstances that are stated.

    Args:
        stated: For whom the subject acts; ``None`` where it acts for itself.
        subject: Who asks.
        kya_level: How well it is known.

    Raises:
        RequestError: A part is malformed.
    """
    if stated is None:
        return Circumstances(kya_level)
    actors = (SpiffeId.parse(one, field="delegation.actors") for one in stated.actors)
    details = (
        DelegatedTools(frozenset(one.actions), frozenset(one.locations), frozenset(one.tools))
        for one in stated.details
    )
    delegation = Delegation(
        user=read_user(stated.user, field="delegation.user"),
        actors=tuple(actors) or (subject,),
        evidence=frozenset(stated.evidence),
        expires=stated.expires.timestamp() if stated.expires else jose.MAX_SECONDS,
        scopes=frozenset(stated.scopes),
        details=tuple(details),
        binding=stated.binding,
        kya_level=stated.kya_level,
        granted=None if stated.granted is None else frozenset(stated.granted),
    )
    return Circumstances(kya_level, delegation)
