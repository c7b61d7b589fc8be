"""Circumstances as policies see them: members of Cedar's context.

Policies look at few of them, and what none of a question's candidates looks at (``reads``)
need not reach Cedar: so questions of different users are one question where nobody asks who
the user is.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple, TypeAlias

from governd.identity import SpiffeId
from governd.identity.user import User
from governd.policy.coverage import granted, words
from governd.policy.delegated import Circumstances, Delegation, EvidenceKind, user_id
from governd.policy.entities import EntityGraph, Uid
from governd.policy.known_card import OF_A_CARD
from governd.policy.reads import Arguments
from governd.policy.tools import Server

Members: TypeAlias = dict[str, object]
"""By name, in Cedar's JSON form."""

MEMBERS = ("args", "args_undeclared", "delegated", "delegation", "kya", "kya_level", "token")
"""Of the context; ``base/schema.cedarschema`` documents each."""

_ANYBODY = SpiffeId("unknown.invalid", "")
ANY_DELEGATION = Circumstances(
    delegation=Delegation(
        User("https://unknown.invalid", "unknown"),
        (_ANYBODY,),
        frozenset({EvidenceKind.ID_TOKEN}),
        0,
    )
)
"""Stands for whatever a user may delegate, where that is not known yet."""


class _Seen(NamedTuple):
    """A delegation, and what follows of it for one question."""

    given: Delegation
    in_scope: bool
    graph: EntityGraph
    servers: Mapping[str, Server]


def _agent(spiffe_id: SpiffeId) -> Uid:
    return Uid("Agent", str(spiffe_id))


def _user(delegation: Delegation) -> Uid:
    return Uid("User", user_id(delegation.user))


def _reference(uid: Uid) -> dict[str, object]:
    return {"__entity": uid.json()}


def _revoked(seen: _Seen) -> bool:
    actors = (_agent(actor) for actor in seen.given.actors)
    return any(seen.graph.is_revoked(uid) for uid in (_user(seen.given), *actors))


def _expires(seen: _Seen) -> dict[str, object]:
    """Cedar knows moments to the millisecond; a second less is on the safe side."""
    moment = datetime.fromtimestamp(int(seen.given.expires), UTC)
    return {"__extn": {"fn": "datetime", "arg": moment.strftime("%Y-%m-%dT%H:%M:%SZ")}}


_DELEGATION: Mapping[str, Callable[[_Seen], object]] = {
    "user": lambda seen: _reference(_user(seen.given)),
    "user_issuer": lambda seen: seen.given.user.issuer,
    "user_subject": lambda seen: seen.given.user.subject,
    "actors": lambda seen: [_reference(_agent(one)) for one in dict.fromkeys(seen.given.actors)],
    "origin": lambda seen: _reference(_agent(seen.given.origin)),
    "depth": lambda seen: seen.given.depth,
    "scopes": lambda seen: sorted(words(seen.given, seen.servers)),
    "granted": lambda seen: sorted(granted(seen.given)),
    "binding": lambda seen: seen.given.binding,
    "kya_level": lambda seen: seen.given.kya_level,
    "evidence": lambda seen: sorted(one.value for one in seen.given.evidence),
    "expires": _expires,
    "in_scope": lambda seen: seen.in_scope,
    "revoked": _revoked,
}
OF_A_DELEGATION = tuple(_DELEGATION)
"""Members of ``context.delegation``."""
OF_A_TOKEN = ("upstream", "scopes", "for_user")
"""Members of ``context.token``."""
PARTS = {"delegation": OF_A_DELEGATION, "kya": OF_A_CARD, "token": OF_A_TOKEN}
"""Members of the context that have members, and these."""


def members(
    graph: EntityGraph,
    circumstances: Circumstances,
    read: Arguments,
    *,
    in_scope: bool,
    servers: Mapping[str, Server],
    kya: bool = True,
) -> Members:
    """What policies see of some circumstances.

    Args:
        graph: All entities.
        circumstances: What is known.
        read: Members of ``context.delegation`` that are looked at.
        in_scope: Whether the delegation covers what is asked for.
        servers: Declared MCP servers by name.
        kya: Whether ``context.kya`` is looked at.
    """
    found: Members = {
        "delegated": circumstances.delegation is not None,
        "kya_level": circumstances.kya_level,
    }
    if circumstances.delegation is not None:
        seen = _Seen(circumstances.delegation, in_scope, graph, servers)
        found["delegation"] = {
            name: of(seen) for name, of in _DELEGATION.items() if read is None or name in read
        }
    if kya and circumstances.kya is not None:
        found["kya"] = circumstances.kya.members()
    if circumstances.token is not None:
        found["token"] = dict(zip(OF_A_TOKEN, circumstances.token, strict=True))
    return found


def persons(circumstances: Circumstances, read: Arguments) -> tuple[Uid, ...]:
    """The entities of a delegation of which policies may ask what they are in, or have."""
    delegation = circumstances.delegation
    if delegation is None:
        return ()
    found = {"user": _user(delegation), "origin": _agent(delegation.origin)}
    return tuple(uid for name, uid in found.items() if read is None or name in read)
