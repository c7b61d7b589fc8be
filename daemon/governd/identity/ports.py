"""What the domain needs of the world to know and prove who is who.

A port is an interface that the domain owns and an adapter implements. The same contract
tests run on every implementation, the fakes among them
(``tests/unit/identity/test_signer_contract.py``, ``tests/contracts/identity_source.py``).
"""

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from typing import Protocol

from governd.identity.spiffe_id import SpiffeId
from governd.identity.svid import JwtSvid, TrustBundles, Workload, WorkloadSvids


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


class IdentitySource(Protocol):
    """Issues identities to workloads, on the word of whoever says which one it is.

    Subscriptions tell the full state in each item: what an item lacks is revoked. They are
    generators that never end by themselves; closing one ends the subscription. Everything
    that comes out of a source has been checked.
    """

    @property
    def name(self) -> str:
        """For operators: ``spire``, ``embedded (development)``."""

    def svids(self, workload: Workload) -> AsyncGenerator[WorkloadSvids, None]:
        """The workload's X.509-SVIDs now, and again whenever they change.

        Nothing matches the workload: an item without SVIDs, and the subscription goes on.
        An ID that the workload's ``spiffe_id`` excludes is left out.

        Raises:
            SourceAwayError: The source does not answer; what it said before still counts.
            NotDelegateError: governd may not ask; what the source said before is void.
            InvalidIdentityError: The source said what does not hold; likewise.
            NoIdentityError: The workload cannot have an identity from this source.
        """

    def bundles(self) -> AsyncGenerator[TrustBundles, None]:
        """The trust bundles of this and of federated trust domains, and every change.

        Raises:
            IdentityError: As for ``svids``; trust bundles that came before still count.
        """

    async def jwt_svids(self, workload: Workload, audiences: Sequence[str]) -> tuple[JwtSvid, ...]:
        """One JWT-SVID for each ID of the workload, for exactly these audiences.

        Raises:
            NoIdentityError: Nothing is issued to the workload.
            IdentityError: As for ``svids``.
        """
