"""Which policies count for whom: a tenant's for its own callers, and for what is the tenant's.

Of tokens for upstreams, a tenant may permit those that the manifest lets it: what governd is
to an authorization server, no tenant gives to its own callers.
"""

from governd.identity import SpiffeId
from governd.policy.compiled import CompiledPolicy
from governd.policy.entities import Uid
from governd.policy.handles import SetKey
from governd.policy.upstream_lookup import EXCHANGE

OF_A_SERVER = frozenset({"Tool", "Resource", "Prompt"})
"""Types of what belongs to an MCP server."""


def counting(policy: CompiledPolicy, subject: SpiffeId, action: str, resource: Uid) -> SetKey:
    """Which policies count for a subject, an action as Cedar calls it, and a resource."""
    tenant = policy.manifest.tenant_of(subject)
    own = (
        not tenant
        or _is_for(policy, tenant, resource)
        or (action == EXCHANGE and policy.manifest.may_permit(tenant, resource.id))
    )
    return SetKey(tenant, foreign=not own)


def _is_for(policy: CompiledPolicy, tenant: str, resource: Uid) -> bool:
    """Whether a tenant's permits count for a resource: its own, or a server it may use."""
    if resource.type == "Agent":
        return policy.manifest.tenant_of(SpiffeId.parse(resource.id)) == tenant
    if resource.type not in {*OF_A_SERVER, "McpServer"}:
        return resource.id.startswith(tenant + "/")
    server = policy.servers[resource.id.partition("/")[0]]
    if policy.manifest.tenant_of(server.spiffe_id) == tenant:
        return True
    return any(one.name == tenant and server.name in one.servers for one in policy.manifest.tenant)
