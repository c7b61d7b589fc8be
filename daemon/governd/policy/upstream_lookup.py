"""Which token is meant: a request's words held against the upstreams of a manifest."""

from collections.abc import Sequence

from governd.errors import RequestError, UpstreamUnknownError
from governd.policy.delegated import TokenWanted
from governd.policy.manifest import Manifest
from governd.policy.question import ResourceRef
from governd.policy.upstreams import Upstream

EXCHANGE = "token/exchange"
"""The action of asking for a token."""
_SHOWN_CHARS = 63


def upstream_named(manifest: Manifest, name: str) -> Upstream:
    """The upstream of that name.

    Raises:
        UpstreamUnknownError: There is none.
    """
    found = manifest.upstreams_by_name.get(name)
    if found is None:
        message = f"upstream: the policy source has none called {name[:_SHOWN_CHARS]!a}"
        raise UpstreamUnknownError(message, field="upstream")
    return found


def upstream_for(manifest: Manifest, resource: str, audience: str) -> Upstream:
    """The upstream that is meant by RFC 8693's words; it is for a user, as an exchange is.

    Args:
        manifest: Of the policy in force.
        resource: Its resource; ``""`` for any.
        audience: Its audience; ``""`` for any.

    Raises:
        RequestError: Neither is said.
        UpstreamUnknownError: Not exactly one upstream is it.
    """
    if not resource and not audience:
        message = "resource: expected it, or audience"
        raise RequestError(message, field="resource")
    found = [
        one
        for one in manifest.upstream
        if one.for_user and resource in {"", one.resource} and audience in {"", one.audience}
    ]
    if len(found) != 1:
        field = "resource" if resource else "audience"
        many = "more than one upstream: name it with GetToken" if found else "no upstream"
        message = f"{field}: of the policy source, it is {many}"
        raise UpstreamUnknownError(message, field=field)
    return found[0]


def scopes_for(
    upstream: Upstream, asked: Sequence[str], *, field: str = "scopes"
) -> tuple[str, ...]:
    """The scopes that a token is asked for with, sorted: all of the upstream's unless some are.

    Raises:
        RequestError: One comes twice, or is not the upstream's.
    """
    if len(set(asked)) != len(asked):
        message = f"{field}: has a scope twice"
        raise RequestError(message, field=field)
    if not set(asked) <= set(upstream.scopes):
        message = f"{field}: the policy source has other scopes for {upstream.name}"
        raise RequestError(message, field=field)
    return tuple(sorted(asked or upstream.scopes))


def resource_of(upstream: Upstream) -> ResourceRef:
    """On what ``token/exchange`` is asked."""
    return ResourceRef("external_service", upstream.service)


def wanted_of(upstream: Upstream, scopes: Sequence[str]) -> TokenWanted:
    """What policies see of a token that is asked for."""
    return TokenWanted(upstream.name, tuple(sorted(scopes)), upstream.for_user)
