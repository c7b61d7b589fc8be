"""What the domain needs of the world to know and prove who governd is.

A port is an interface that the domain owns and an adapter implements. The same contract
tests run on every implementation, the fake among them
(``tests/unit/identity/test_signer_contract.py``).
"""

from datetime import datetime
from typing import Protocol

from governd.identity.spiffe_id import SpiffeId


class Signer(Protocol):
    """One X.509-SVID of governd with its private key.

    A value for as long as its certificate: an identity that rotates is a new signer, so
    the chain and the signatures of one signer always belong together. The private key
    cannot be had from it.
    """

    @property
    def spiffe_id(self) -> SpiffeId:
        """The one SPIFFE ID of the leaf certificate."""

    @property
    def algorithm(self) -> str:
        """The JWS name (RFC 7518, section 3.1) of the signatures, for example ``ES256``."""

    @property
    def certificate_chain(self) -> tuple[bytes, ...]:
        """DER certificates, the leaf first, without the root."""

    @property
    def trust_bundle(self) -> tuple[bytes, ...]:
        """DER certificates of the trust domain's roots."""

    @property
    def not_after(self) -> datetime:
        """When the leaf expires, in UTC. Signatures made later prove nothing."""

    def sign(self, message: bytes) -> bytes:
        """Signs ``message`` with the leaf's key.

        Returns:
            The signature as JWS wants it: for ``ES256`` the 64 bytes R and S (RFC 7518,
            section 3.4), not DER.
        """
