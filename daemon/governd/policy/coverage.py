"""Whether a delegation covers what is asked for.

An acting-as token names what was delegated: by scopes (RFC 6749, section 3.3), and by
authorization details (RFC 9396) where those are too coarse. Either is enough, and no scope and
no detail permits nothing: so who passes fewer of them on passes less on. Cedar cannot put the
words together that it would have to look for; it is found out here, and policies see
``in_scope``.

What MCP servers list has scopes, ``<action>:<server>/<name>`` with the action's slash as a
colon, and ``<action>:<server>/*`` for all of a server::

    tools:call:git/git_commit  tools:call:git/*  resources:read:git/file:///srv/a

Lists themselves, invoking agents and minting need none: entries are looked at one by one,
whom a token is for is its audience, and what is minted is never more than what it rests on.

Invariant: a delegation with fewer scopes and details covers no more.
"""

from governd.identity import SpiffeId
from governd.policy.delegated import Circumstances, Delegation
from governd.policy.entities import Uid

_PREFIXES = {"Tool": "tools:call:", "Resource": "resources:read:", "Prompt": "prompts:get:"}
_CALL = "call"


def covers(circumstances: Circumstances, resource: Uid, server: SpiffeId | None) -> bool:
    """Whether something may be called, read or used by what was delegated.

    Args:
        circumstances: Whose delegation it is about; without one everything is covered.
        resource: What is called, read or used, as Cedar names it.
        server: Whose it is; ``None`` where it is no MCP server's.
    """
    delegation = circumstances.delegation
    prefix = _PREFIXES.get(resource.type)
    if delegation is None or prefix is None or not circumstances.limited:
        return True
    if _by_scope(delegation, prefix, resource.id):
        return True
    name = resource.id.partition("/")[2]
    return resource.type == "Tool" and _by_details(delegation, name, str(server))


def covers_some(circumstances: Circumstances, kind: str, server: str) -> bool:
    """Whether anything of a kind and of a server may be covered; for what has no name yet.

    Args:
        circumstances: Whose delegation it is about.
        kind: Cedar's type.
        server: As the policy source calls it.
    """
    delegation = circumstances.delegation
    if delegation is None or not circumstances.limited:
        return True
    beginning = f"{_PREFIXES[kind]}{server}/"
    return any(scope.startswith(beginning) for scope in delegation.scopes)


def _by_scope(delegation: Delegation, prefix: str, resource_id: str) -> bool:
    server = resource_id.partition("/")[0]
    wanted = {f"{prefix}{resource_id}", f"{prefix}{server}/*"}
    return not wanted.isdisjoint(delegation.scopes)


def _by_details(delegation: Delegation, name: str, server: str) -> bool:
    return any(
        _CALL in one.actions and server in one.locations and name in one.tools
        for one in delegation.details
    )
