"""A signer whose certificates and signatures are made of hashes.

Implements ``governd.identity.ports.Signer``. It costs nothing and is deterministic, so a
test can state the signature that it expects. Nothing outside the tests would accept it.
"""

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from governd.identity import SpiffeId

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class FakeSigner:
    """One identity with a key that is nothing but its name.

    Attributes:
        spiffe_id: Who signs.
        not_after: When that ends.
    """

    spiffe_id: SpiffeId = field(
        default_factory=lambda: SpiffeId.parse("spiffe://example.org/governd/signer/node")
    )
    not_after: datetime = NOON + timedelta(minutes=15)

    @property
    def algorithm(self) -> str:
        """``ES256`` in name only."""
        return "ES256"

    @property
    def certificate_chain(self) -> tuple[bytes, ...]:
        """One text that names the ID in place of a certificate."""
        return (f"certificate of {self.spiffe_id}".encode(),)

    @property
    def trust_bundle(self) -> tuple[bytes, ...]:
        """One text that names the trust domain in place of a root."""
        return (f"root of {self.spiffe_id.trust_domain}".encode(),)

    def sign(self, message: bytes) -> bytes:
        """64 bytes that depend on the identity and the message."""
        return hmac.digest(str(self.spiffe_id).encode(), message, hashlib.sha512)

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether this signer made ``signature`` for ``message``."""
        return hmac.compare_digest(self.sign(message), signature)
