"""What a receiver expects of the tokens that it is shown.

All of it is the receiver's own: its configuration, and what its channel tells of the sender.
Nothing comes from the token.
"""

from dataclasses import dataclass, field

from governd.delegation.binding import BindingLevel, RequestBinding
from governd.delegation.revocations import NOTHING, Revocations
from governd.identity import SpiffeId


@dataclass(frozen=True, slots=True)
class IssuerRule:
    """Who may sign, and for whom. Being in a trust domain is not enough.

    Attributes:
        prefix: The SPIFFE ID of a signer, or of everything below it, e.g.
            ``spiffe://example.org/governd/signer``.
        also_for: Trust domains whose actors these signers may name, beside their own.
    """

    prefix: SpiffeId
    also_for: frozenset[str] = frozenset()

    def admits(self, issuer: SpiffeId) -> bool:
        """Whether the rule is about a signer."""
        return issuer.is_under(str(self.prefix))

    def covers(self, actor: SpiffeId) -> bool:
        """Whether its signers may name an actor."""
        return actor.trust_domain == self.prefix.trust_domain or actor.trust_domain in self.also_for


@dataclass(frozen=True, slots=True)
class Expectations:
    """What a receiver expects of every token.

    Attributes:
        audiences: Who the receiver is.
        issuers: Who may sign.
        least_binding: What is tied less is refused.
        revocations: What counts no longer.
    """

    audiences: frozenset[SpiffeId]
    issuers: tuple[IssuerRule, ...]
    least_binding: BindingLevel = BindingLevel.REQUEST
    revocations: Revocations = field(default=NOTHING)


@dataclass(frozen=True, slots=True)
class Arrival:
    """How a token came.

    Attributes:
        peer: Whom the channel proved to have sent it; ``None`` for nobody.
        certificate: ``x5t#S256`` of the certificate that the peer showed.
        request: The request with which it came; ``None`` where there was none to see.
    """

    peer: SpiffeId | None = None
    certificate: str | None = None
    request: RequestBinding | None = None
