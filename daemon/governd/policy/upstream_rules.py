"""What only a whole manifest can tell of its upstreams.

Mistakes as words, each with its place in the manifest.
"""

from collections.abc import Iterable, Iterator

from governd.policy.authorization_servers import AuthorizationServer
from governd.policy.delegated import EvidenceKind
from governd.policy.manifest import Manifest
from governd.policy.spelling import is_it
from governd.policy.toml_lines import Path
from governd.policy.upstreams import Upstream

Mistake = tuple[Path, str]
"""Where it is, and what is wrong there."""


def mistakes(manifest: Manifest) -> Iterator[Mistake]:
    """What is wrong with upstreams, authorization servers, and what tenants may permit."""
    yield from _servers(manifest)
    for index, upstream in enumerate(manifest.upstream):
        for field, message in _of_upstream(manifest, upstream):
            yield ("upstream", index, field), message
    yield from _tenants(manifest)


def _servers(manifest: Manifest) -> Iterator[Mistake]:
    """Two of one issuer are two clients there."""
    first: dict[AuthorizationServer, str] = {}
    for index, server in enumerate(manifest.authorization_server):
        other = first.setdefault(server.model_copy(update={"name": ""}), server.name)
        if other != server.name:
            yield ("authorization_server", index), f"is the same as {other}"


def _of_upstream(manifest: Manifest, upstream: Upstream) -> Iterator[tuple[str, str]]:
    servers = manifest.authorization_servers_by_name
    server = servers.get(upstream.authorization_server)
    if server is None:
        yield "authorization_server", _nothing(upstream.authorization_server, servers)
    else:
        yield from _of_server(upstream, server)
        yield from _of_agents(upstream, server)
        yield from _of_evidence(manifest, upstream, server)
    yield from _of_users(manifest, upstream)
    name = upstream.identity_provider
    if name is not None and name not in servers:
        yield "identity_provider", _nothing(name, servers)
    elif name is not None and server is not None:
        yield from _of_provider(upstream, servers[name], server)
    elif upstream.actor == "governd" and server is not None:
        yield from _known_as(upstream, server)


def _nothing(name: str, known: Iterable[str]) -> str:
    return f"no [[authorization_server]] is called {name}{is_it(name, known)}"


def _of_server(upstream: Upstream, server: AuthorizationServer) -> Iterator[tuple[str, str]]:
    if upstream.grant == "jwt-bearer":
        if server.client_key is None:
            yield "grant", f"jwt-bearer: {server.name} has no client_key to sign assertions with"
        if server.client_id is None and upstream.assertion_issuer is None:
            yield "assertion_issuer", f"required, as {server.name} has no client_id"
    if upstream.grant == "id-jag" and server.client_id is None:
        yield "grant", f"id-jag: {server.name} has no client_id, for which its ID-JAGs are"


def _of_agents(upstream: Upstream, server: AuthorizationServer) -> Iterator[tuple[str, str]]:
    """What governd gets itself must not look like what an agent got."""
    if server.client_id in {one.client_id for one in upstream.agent_client}:
        yield "agent_client", f"{server.client_id} is what {server.name} calls governd"


def _of_users(manifest: Manifest, upstream: Upstream) -> Iterator[tuple[str, str]]:
    """Of an issuer that nobody believes there are no users; of a signer's, others may know."""
    known = {one.issuer for one in manifest.issuer}
    signed = EvidenceKind.ACTING_AS in upstream.evidence and manifest.delegation.signer
    if known and not signed:
        for issuer in sorted(set(upstream.users_from) - known):
            yield "users_from", f"no [[issuer]] is {issuer}{is_it(issuer, known)}"


def _of_evidence(
    manifest: Manifest, upstream: Upstream, server: AuthorizationServer
) -> Iterator[tuple[str, str]]:
    """A token that an agent holds must not prove to governd who a user is."""
    for issuer in manifest.issuer:
        both = set(issuer.audiences) & set(upstream.token_audiences_or_default)
        if issuer.issuer == server.issuer and both:
            where = "token_audiences" if upstream.token_audiences else "audience"
            said = f"{min(both)} is an audience of [[issuer]] {issuer.name}"
            yield where, f"{said}: the token would prove who a user is"


def _of_provider(
    upstream: Upstream, provider: AuthorizationServer, server: AuthorizationServer
) -> Iterator[tuple[str, str]]:
    if provider.issuer == server.issuer:
        yield "identity_provider", f"is {server.name}, which issues nothing for its own ID-JAGs"
    if upstream.actor == "governd":
        yield from _known_as(upstream, provider)


def _known_as(upstream: Upstream, server: AuthorizationServer) -> Iterator[tuple[str, str]]:
    if server.client_id is None:
        yield "actor", f'"{upstream.actor}": {server.name} has no client_id, by which to know it'


def _tenants(manifest: Manifest) -> Iterator[Mistake]:
    """A service is permitted by its id, so a tenant may permit it as a whole or not at all."""
    known = manifest.upstreams_by_name
    for index, tenant in enumerate(manifest.tenant):
        place = ("tenant", index, "upstreams")
        for name in sorted(set(tenant.upstreams) - known.keys()):
            yield place, f"no [[upstream]] is called {name}{is_it(name, known)}"
        services = {known[name].service for name in tenant.upstreams if name in known}
        for upstream in manifest.upstream:
            if upstream.service in services and upstream.name not in tenant.upstreams:
                yield place, f"{upstream.name} is the same service as another: name both or none"
