"""What an acting-as token says, as a value.

The format is stated in ``docs/delegation.md``. Actors are those of RFC 8693, section 4.1:
the outermost, the current one, comes first, and who delegated to it after it. That earlier
actors count, too, is this profile's own rule, and ``typ`` says that the profile is meant.

A value proves nothing: it may be what somebody is about to sign, or what was read and not
yet verified. ``verification.Verified`` is what was.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from governd.delegation.binding import RequestBinding
from governd.delegation.details import ToolDetail
from governd.identity import SpiffeId
from governd.identity.user import User

TYPE = "acting-as+jwt"
MAX_TOKEN_BYTES = 8192
"""What proxies and gRPC let pass in one header."""
MAX_LIFETIME_SECONDS = 300
DEFAULT_LIFETIME_SECONDS = 120
SKEW_SECONDS = 60
"""How far the signer's clock and ours may be apart."""
MAX_DEPTH = 8
DEFAULT_MAX_DEPTH = 4
MAX_EVIDENCE = 4
MAX_KYA_LEVEL = 3
TOKEN_ID_BYTES = 16
MAX_TRANSACTION_BYTES = 128
MAX_NAME_BYTES = 256


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a signer saw of the user. A digest only: the evidence itself stays where it was.

    Attributes:
        type: URI of the kind of token (RFC 8693, section 3).
        digest: SHA-256 of the token, base64url.
        issuer: Its ``iss``.
        expires_at: Its ``exp``, in seconds since 1970.
    """

    type: str
    digest: str
    issuer: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class Attested:
    """How well the actors are known.

    Attributes:
        level: Of the least known actor in the chain, 0 to 3.
        token_id: ``jti`` of the current actor's KYA attestation.
        digest: SHA-256 of it, base64url.
    """

    level: int
    token_id: str
    digest: str


class Ruled(NamedTuple):
    """Which decision permitted the token.

    Attributes:
        digest: ``sha-256:<hex>`` of the policy.
        decision_id: Under which it is on record.
    """

    digest: str
    decision_id: str


@dataclass(frozen=True, slots=True)
class ActingAs:
    """An actor acts for a user, towards one audience, for minutes.

    Attributes:
        issuer: The signing identity that says so.
        user: In whose name.
        actors: Who acts, the current actor first; at least one.
        audience: The one workload that is to accept it, and may extend it.
        issued_at: In seconds since 1970.
        expires_at: Likewise.
        token_id: 128 bits, base64url.
        transaction: The same for everything that follows from one cause.
        scopes: What it permits, sorted. None permit nothing.
        details: The same, finer.
        max_depth: How many actors there may ever be.
        request: The one request that it is for; ``None`` for any.
        certificate: ``x5t#S256`` of the one certificate that the current actor may show.
        parent: The name of the token that was extended (``opening.name_of``).
        evidence: What was seen of the user when the chain began.
        kya: How well the actors are known; ``None`` for not at all.
        ruled: Which decision permitted it.
    """

    issuer: SpiffeId
    user: User
    actors: tuple[SpiffeId, ...]
    audience: SpiffeId
    issued_at: int
    expires_at: int
    token_id: str
    transaction: str
    ruled: Ruled
    scopes: tuple[str, ...] = ()
    details: tuple[ToolDetail, ...] = ()
    max_depth: int = DEFAULT_MAX_DEPTH
    request: RequestBinding | None = None
    certificate: str | None = None
    parent: str | None = None
    evidence: tuple[Evidence, ...] = ()
    kya: Attested | None = None

    @property
    def actor(self) -> SpiffeId:
        """The current actor: who is to send it."""
        return self.actors[0]

    @property
    def depth(self) -> int:
        """How many actors there are."""
        return len(self.actors)

    @property
    def kya_level(self) -> int:
        """How well the least known actor is known."""
        return self.kya.level if self.kya else 0


def loops(actors: Sequence[SpiffeId]) -> bool:
    """Whether an actor comes twice."""
    return len(set(actors)) != len(actors)
