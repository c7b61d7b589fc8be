"""What a policy source says of itself: manifest, tenants, gateways, grants.

``manifest.toml`` is required; without it a directory is not a policy source, so half a
copy is refused. Where it lists ``files``, exactly these are read and each must be there:
a missing forbid would otherwise go unnoticed.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from governd.errors import RequestError
from governd.identity import SpiffeId
from governd.policy.authorization_servers import AuthorizationServer, AuthorizationServers
from governd.policy.delegated import read_user
from governd.policy.table import Label, SpiffeIdText, Table, TrustDomain
from governd.policy.tools import Capability, ServerName
from governd.policy.trusted import DelegationRules, Issuers, Kya
from governd.policy.upstreams import Upstream, Upstreams

GroupName = Annotated[str, StringConstraints(min_length=1, max_length=256)]


def _is_user(text: str) -> str:
    try:
        read_user(text, field="value")
    except RequestError as error:
        raise ValueError(str(error)) from error
    return text


UserText = Annotated[str, AfterValidator(_is_user)]


class Tenant(Table):
    """Callers whose policies are their own.

    Attributes:
        name: Also the name of its folder under ``tenants/`` and, with a slash, the
            prefix of its groups and capabilities.
        namespaces: Kubernetes namespaces of the manifest's trust domain.
        spiffe_prefixes: SPIFFE IDs; each covers itself and all below it.
        servers: MCP servers that are not the tenant's, whose use it may nevertheless
            permit to its callers.
        upstreams: Names of upstreams for which it may permit tokens to its callers.
    """

    name: Label
    namespaces: tuple[Label, ...] = ()
    spiffe_prefixes: tuple[SpiffeIdText, ...] = ()
    servers: tuple[ServerName, ...] = ()
    upstreams: tuple[Label, ...] = ()

    def prefixes(self, trust_domain: str) -> tuple[str, ...]:
        """All of the tenant as prefixes of SPIFFE IDs."""
        return (
            *(f"spiffe://{trust_domain}/ns/{namespace}" for namespace in self.namespaces),
            *self.spiffe_prefixes,
        )


class Gateway(Table):
    """A caller that may ask about others.

    Attributes:
        spiffe_id: The gateway.
        subjects: SPIFFE IDs; each covers itself and all below it.
    """

    spiffe_id: SpiffeIdText
    subjects: tuple[SpiffeIdText, ...] = Field(min_length=1)


class Revoked(Table):
    """Who gets nothing, to whom nothing is done, and in whose name nobody acts.

    Attributes:
        subjects: SPIFFE IDs.
        users: Each as ``<issuer>#<subject>``.
    """

    subjects: tuple[SpiffeIdText, ...] = ()
    users: tuple[UserText, ...] = ()


class Manifest(Table):
    """``manifest.toml``.

    Attributes:
        format: Of the directory; 1.
        name: For people.
        version: The bundle version that answers carry.
        trust_domain: Of the namespaces that tenants name.
        files: Where given, exactly the files that are read.
        tenant: Tenants; no two may cover the same SPIFFE ID.
        gateway: Callers that may name other subjects.
        revoked: The deny-list.
        issuer: Whose tokens prove who a user is; no two with one name, or one ``iss``.
        delegation: Whose acting-as tokens count, and what governd's own are like.
        kya: What makes agents known.
        authorization_server: Who issues tokens for upstreams; no two with one name.
        upstream: For what agents get tokens; no two with one name.
    """

    format: Literal[1]
    name: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    version: Annotated[int, Field(ge=0, lt=2**63)] = 0
    trust_domain: TrustDomain
    files: tuple[str, ...] | None = None
    tenant: tuple[Tenant, ...] = ()
    gateway: tuple[Gateway, ...] = ()
    revoked: Revoked = Revoked()
    issuer: Issuers = ()
    delegation: DelegationRules = DelegationRules()
    kya: Kya = Kya()
    authorization_server: AuthorizationServers = ()
    upstream: Upstreams = ()

    @cached_property
    def authorization_servers_by_name(self) -> Mapping[str, AuthorizationServer]:
        """The authorization servers by name."""
        return {one.name: one for one in self.authorization_server}

    @cached_property
    def upstreams_by_name(self) -> Mapping[str, Upstream]:
        """The upstreams by name."""
        return {one.name: one for one in self.upstream}

    def may_permit(self, tenant: str, service: str) -> bool:
        """Whether a tenant may permit tokens for a service: for each upstream that it is."""
        lent = (one.upstreams for one in self.tenant if one.name == tenant)
        names = {one.name for one in self.upstream if one.service == service}
        return bool(names) and any(names <= set(upstreams) for upstreams in lent)

    def tenant_of(self, spiffe_id: SpiffeId) -> str:
        """The name of the tenant that covers a SPIFFE ID; ``""`` for none."""
        prefix = str(spiffe_id) if self.tenant else ""
        while prefix:
            owner = self._owners.get(prefix)
            if owner is not None:
                return owner
            prefix = prefix.rpartition("/")[0]
        return ""

    @cached_property
    def _owners(self) -> dict[str, str]:
        """Names of tenants by prefix."""
        return {
            prefix: tenant.name
            for tenant in self.tenant
            for prefix in tenant.prefixes(self.trust_domain)
        }

    def overlaps(self) -> list[str]:
        """What is wrong with the tenants, in words."""
        owners = [
            (prefix, tenant.name)
            for tenant in self.tenant
            for prefix in tenant.prefixes(self.trust_domain)
        ]
        names = [tenant.name for tenant in self.tenant]
        twice = sorted({name for name in names if names.count(name) > 1})
        return [f"tenant: {name} is stated twice" for name in twice] + [
            f"tenant: {name} and {other} both cover {prefix}"
            for index, (prefix, name) in enumerate(owners)
            for base, other in owners[:index] + owners[index + 1 :]
            if name != other and SpiffeId.parse(prefix).is_under(base)
        ]


class Grant(Table):
    """Capabilities given to agents.

    Attributes:
        agents: SPIFFE IDs.
        groups: Groups of the entities file; every agent in them.
        namespaces: Kubernetes namespaces of the manifest's trust domain.
        capabilities: What they may use tools that require it for.
        destructive: Ids of destructive tools that they may call.
    """

    agents: tuple[SpiffeIdText, ...] = ()
    groups: tuple[GroupName, ...] = ()
    namespaces: tuple[Label, ...] = ()
    capabilities: tuple[Capability, ...] = ()
    destructive: tuple[str, ...] = ()


class Grants(Table):
    """``grants.toml``."""

    grant: tuple[Grant, ...] = ()


__all__ = ["Gateway", "Grant", "Grants", "Manifest", "Revoked", "ServerName", "Tenant"]
