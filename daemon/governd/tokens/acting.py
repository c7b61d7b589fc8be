"""Who acts for the user, as a token says it.

Follows RFC 8693, section 4.1: the outermost ``act`` is who acts now. Of earlier actors within
it nothing follows; however deep they are, they are counted in a loop with an end.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from governd.identity import jose
from governd.identity.secret import Secret
from governd.tokens.faults import TokenFault, refuse

MAX_ACTORS = 8
_SPIFFE = "spiffe://"


class Actor(NamedTuple):
    """Who acts.

    Attributes:
        subject: ``sub`` of the claim: the agent's SPIFFE ID, or governd's own name there.
        issuers: One of them has to be its ``iss`` where it has one; ``None`` for any.
    """

    subject: str
    issuers: frozenset[str] | None


class Acting(NamedTuple):
    """What ``act`` is held to.

    Attributes:
        required: Who has to be named; ``None`` where nobody has to.
        others: Whom it may name where nobody has to be.
    """

    required: Actor | None
    others: frozenset[str] = frozenset()


def known_as(subject: str, *servers: str, shown: Secret | None = None) -> Actor:
    """Who acts, and whose name for it that may be (RFC 8693, section 4.1: ``iss``).

    Args:
        subject: The name.
        servers: Issuers of the servers that are asked: what they say is in their words.
        shown: The actor token that is sent; its own issuer may be named, too. So may the
            trust domain of a SPIFFE ID.
    """
    issuers = {*servers, *_issuer_of(shown)}
    if subject.startswith(_SPIFFE):
        issuers.add(_SPIFFE + subject.removeprefix(_SPIFFE).partition("/")[0])
    return Actor(subject, frozenset(issuers))


def check(claims: Mapping[str, Any], acting: Acting) -> None:
    """Holds the ``act`` of a token to who acts.

    Raises:
        TokenRefusedError: It is missing (``act_missing``), malformed, or names somebody
            else (``act``).
    """
    if "act" not in claims:
        if acting.required is not None:
            refuse(TokenFault.ACT_MISSING, "act: does not say who acts for the user")
        return
    subject, issuer = _current(claims["act"])
    wanted = acting.required
    if wanted is None:
        if subject not in acting.others:
            refuse(TokenFault.ACT, "act: names somebody who does not act here")
    elif subject != wanted.subject:
        refuse(TokenFault.ACT, "act: names somebody else than who acts")
    elif issuer is not None and wanted.issuers is not None and issuer not in wanted.issuers:
        refuse(TokenFault.ACT, "act: iss: is somebody else's name for who acts")


def _current(act: object) -> tuple[str, str | None]:
    """Name and issuer of who acts now."""
    found = earlier = _members(act)
    actors = 1
    while "act" in earlier:
        if actors == MAX_ACTORS:
            refuse(TokenFault.ACT, f"act: has more than {MAX_ACTORS} actors")
        earlier = _members(earlier["act"])
        actors += 1
    return _actor(found)


def _members(act: object) -> Mapping[str, Any]:
    if not isinstance(act, dict):
        refuse(TokenFault.ACT, "act: expected an object")
    return act


def _actor(act: Mapping[str, Any]) -> tuple[str, str | None]:
    subject, issuer = act.get("sub"), act.get("iss")
    if not isinstance(subject, str) or not subject or not isinstance(issuer, str | None):
        refuse(TokenFault.ACT, "act: expected who it is, as texts")
    return subject, issuer


def _issuer_of(shown: Secret | None) -> tuple[str, ...]:
    """The issuer that a token names: one that governd got itself, and that is sent as it is."""
    try:
        claims = jose.read_token(shown.reveal().decode()).claims if shown else {}
    except ValueError:
        return ()
    issuer = claims.get("iss")
    return (issuer,) if isinstance(issuer, str) else ()
