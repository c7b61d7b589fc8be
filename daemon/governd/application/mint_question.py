"""What policy is asked before a token is minted or extended.

``delegation/mint`` on whoever the token is for: the MCP servers that the policy source declares
under the audience's SPIFFE ID, and an agent where it declares none. Where there are several,
each is a question, and one deny denies: the token would be good at all of them.

The question's delegation is that of the token as it would be, not that of the evidence: with
the actors, scopes, details and binding that are asked for. Beside them stays what the user's
access token grants, for policies to compare the two.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from governd.application.delegation_told import tools_of
from governd.delegation.attenuation import ACTION, Order
from governd.delegation.binding import tied
from governd.delegation.details import ToolDetail
from governd.identity import SpiffeId
from governd.identity.user import User
from governd.policy.allowed import Terms
from governd.policy.compiled import CompiledPolicy
from governd.policy.coverage import granted
from governd.policy.delegated import Circumstances, Delegation
from governd.policy.question import Question, ResourceRef


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for.

    Attributes:
        audience: Who is to accept it.
        scopes: What it is to permit, sorted.
        details: The same, finer, sorted.
        order: The rest.
    """

    audience: SpiffeId
    scopes: tuple[str, ...] = ()
    details: tuple[ToolDetail, ...] = ()
    order: Order = field(default_factory=Order)

    def terms(self, user: User) -> Terms:
        """What a permit is to be for."""
        details = tuple(sorted(one.canonical for one in self.details))
        return Terms(self.audience, self.scopes, details, user)


def questions(policy: CompiledPolicy | None, wanted: Wanted, given: Delegation) -> list[Question]:
    """The questions, at least one.

    Args:
        policy: In force; it may be ``None``.
        wanted: What is asked for.
        given: What the evidence says; the first of the actors is who asks.

    Raises:
        RequestError: The details name more tools than policies look at.
    """
    minted = replace(
        given,
        scopes=frozenset(wanted.scopes),
        details=tools_of(wanted.details),
        binding=int(tied(wanted.order.request)),
        granted=granted(given),
    )
    circumstances = Circumstances(delegation=minted)
    return [
        Question(given.actors[0], ACTION, resource, circumstances=circumstances)
        for resource in _resources(policy, wanted.audience)
    ]


def _resources(policy: CompiledPolicy | None, audience: SpiffeId) -> list[ResourceRef]:
    servers = sorted(_servers(policy, audience)) if policy else []
    if servers:
        return [ResourceRef("mcp_server", name) for name in servers]
    return [ResourceRef("agent", str(audience))]


def _servers(policy: CompiledPolicy, audience: SpiffeId) -> Iterator[str]:
    return (name for name, one in policy.servers.items() if one.spiffe_id == audience)
