"""Whether a delegation covers what is asked for.

An acting-as token names what was delegated: by scopes (RFC 6749, section 3.3), and by
authorization details (RFC 9396) where those are too coarse. Either is enough, and no scope and
no detail permits nothing: so who passes fewer of them on passes less on. Cedar cannot put the
words together that it would have to look for; it is found out here, and policies see
``in_scope``.

What MCP servers list has scopes, ``<action>:<server>/<name>`` with the action's slash as a
colon, and ``<action>:<server>/*`` for all of a server::

    tools:call:git/git_commit  tools:call:git/*  resources:read:git/file:///srv/a

Tokens for upstreams have scopes, too, ``token:exchange:<upstream>/<scope>`` for each scope that
is asked for, and ``token:exchange:<upstream>/*`` for all of them, and for none::

    token:exchange:crm/contacts.read  token:exchange:crm/*

Lists themselves and invoking agents need none: entries are looked at one by one, and whom a
token is for is its audience. Nor does minting, but every other word is somebody else's: what
begins with an access token has those that the user's token grants, and no others.

Invariants:
    * A delegation with fewer scopes and details covers no more.
    * Policies see of a detail all that it covers, as the scopes that cover the same.
"""

import json
from collections.abc import Iterator, Mapping

from governd.identity import SpiffeId
from governd.policy.delegated import (
    Circumstances,
    DelegatedTools,
    Delegation,
    EvidenceKind,
    TokenWanted,
)
from governd.policy.entities import Uid
from governd.policy.tools import Server

_PREFIXES = {"Tool": "tools:call:", "Resource": "resources:read:", "Prompt": "prompts:get:"}
_EXCHANGE = "token:exchange:"
_OWN = (*_PREFIXES.values(), _EXCHANGE, '{"')
"""With what begins what governd gives a meaning to; no scope has a quote in it."""
_CALL = "call"


def covers(circumstances: Circumstances, resource: Uid, server: SpiffeId | None) -> bool:
    """Whether something may be called, read or used by what was delegated.

    Args:
        circumstances: Whose delegation it is about; without one everything is covered.
        resource: What is called, read or used, as Cedar names it.
        server: Whose it is; ``None`` where it is no MCP server's.
    """
    delegation = circumstances.delegation
    if delegation is None:
        return True
    if not circumstances.limited:
        return _is_granted(delegation)
    if circumstances.token is not None:
        return _is_exchanged(delegation, circumstances.token)
    prefix = _PREFIXES.get(resource.type)
    if prefix is None:
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


def granted(delegation: Delegation) -> frozenset[str]:
    """What the user's access token grants, in its issuer's words, as far as that is known.

    Of an acting-as token that began with one: those of its scopes that mean nothing to governd;
    it was minted with no others than the access token had.
    """
    if EvidenceKind.ACCESS_TOKEN not in delegation.evidence:
        return frozenset()
    if delegation.granted is not None:
        return delegation.granted
    if EvidenceKind.ACTING_AS in delegation.evidence:
        return _others(delegation.scopes)
    return delegation.scopes


def words(delegation: Delegation, servers: Mapping[str, Server]) -> frozenset[str]:
    """What is delegated, word by word: scopes, and details as scopes that cover the same.

    A detail of which some part is no tool of a declared server is a word, too, in canonical
    JSON (RFC 8785): a policy that knows all words that it permits does not pass it over.

    Args:
        delegation: What is delegated.
        servers: Declared MCP servers by name.
    """
    return delegation.scopes.union(*(_words(one, servers) for one in delegation.details))


def _words(detail: DelegatedTools, servers: Mapping[str, Server]) -> Iterator[str]:
    named = {name: str(server.spiffe_id) for name, server in servers.items()}
    named = {name: one for name, one in named.items() if one in detail.locations}
    if _CALL in detail.actions:
        beginnings = [f"{_PREFIXES['Tool']}{name}/" for name in named]
        yield from (f"{beginning}{tool}" for beginning in beginnings for tool in detail.tools)
    if detail.actions != {_CALL} or detail.locations != set(named.values()):
        members = {name: sorted(values) for name, values in detail._asdict().items()}
        text = {**members, "type": "mcp_tool"}
        yield json.dumps(text, ensure_ascii=False, separators=(",", ":"))


def _others(scopes: frozenset[str]) -> frozenset[str]:
    return frozenset(one for one in scopes if not one.startswith(_OWN))


def _is_granted(delegation: Delegation) -> bool:
    """Whether it says no more than the user's access token, where there is one."""
    if EvidenceKind.ACCESS_TOKEN not in delegation.evidence:
        return True
    return _others(delegation.scopes) <= granted(delegation)


def _by_scope(delegation: Delegation, prefix: str, resource_id: str) -> bool:
    server = resource_id.partition("/")[0]
    wanted = {f"{prefix}{resource_id}", f"{prefix}{server}/*"}
    return not wanted.isdisjoint(delegation.scopes)


def _is_exchanged(delegation: Delegation, token: TokenWanted) -> bool:
    beginning = f"{_EXCHANGE}{token.upstream}/"
    if f"{beginning}*" in delegation.scopes:
        return True
    wanted = {f"{beginning}{scope}" for scope in token.scopes}
    return bool(wanted) and wanted <= delegation.scopes


def _by_details(delegation: Delegation, name: str, server: str) -> bool:
    return any(
        _CALL in one.actions and server in one.locations and name in one.tools
        for one in delegation.details
    )
